// SPDX-License-Identifier: Apache-2.0

// Package polltest waits for what no event tells of: another process, a real connection, a file that a server looks at now and then.
// Where a channel or testing/synctest can tell, wait for that instead. For tests only.
package polltest
