// SPDX-License-Identifier: Apache-2.0

// Package access decides who may see which camera on the standalone server: people with a name and a password, playback tokens
// (package token), cameras that are public, and nobody else. It has the pages for logging in and their JSON form.
// docs/ref/access.md is the reference for users.
//
// [Book] is what is kept on disk and what the command line changes; [Access] is what a running server asks. A change in the book
// holds from the next second on, also for sessions that are open: each request is judged by what the book says then.
//
// What an attacker meets:
//
//   - Passwords are kept as argon2id; hashing is bounded to [maxHashing] at a time, so that guessing costs neither the memory nor
//     the processors that viewers need.
//   - Guesses are counted per account and per address in tables of a fixed size with a secret hash: many names or addresses take
//     no memory, and fill the tables at most: then logging in is slow for everyone, never unlimited.
//   - Sessions are random and kept as hashes; a new password, other rights or removal end them. Cookies are HttpOnly and
//     SameSite=Lax, with TLS also Secure and __Host-.
//   - Requests that change something are refused when a browser says that another site made them.
//   - A page to go to after logging in is a path on this server or nothing.
//   - An unknown name costs as much time as a wrong password.
//
// Bounds: [maxPeople] people, [maxSessions] sessions ([maxOwnSessions] of one person, the oldest end), bodies of 8 kB. Everything
// is safe for concurrent use. This package is internal and may change.
package access
