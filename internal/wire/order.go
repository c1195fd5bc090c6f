// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Order checks the sequence of the messages that an agent gets on one connection: HELLO once and first; STATUS at any time after it;
// CONFIG once; after it everything else, until CLOSE, which is the last. The zero value is the state of a new connection.
type Order struct {
	hello, config, closed bool
}

// Next tells whether a message of type t may come now, or returns an error that matches ErrOrder. Types that a Reader
// skips are none of its business.
func (o *Order) Next(t Type) error {
	ok := o.hello && o.config && !o.closed
	switch t {
	case TypeHello:
		ok = !o.hello
		o.hello = true
	case TypeConfig:
		ok = o.hello && !o.config && !o.closed
		o.config = true
	case TypeStatus:
		ok = o.hello && !o.closed
	case TypeClose:
		o.closed = true
	}
	if !ok {
		return fmt.Errorf("%w: %v", ErrOrder, t)
	}
	return nil
}
