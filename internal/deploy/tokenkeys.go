// SPDX-License-Identifier: Apache-2.0

package deploy

import "fmt"

const tokenKeys = "TokenKeys" // the parameter

// KeySource returns the keys of playback tokens, as the parameter TokenKeys takes them, and where they are kept; no keys when
// there are none. With create it makes the first one.
type KeySource func(create bool) (keys, where string, err error)

// keys gives the stack the keys of playback tokens that are kept here. The first is made with the stack, or when an older
// stack gets the parameter; whoever deploys later from a place without keys leaves those of the stack as they are.
func (d *Deployer) keys(p *plan, o UpOptions) error {
	if _, given := p.values[tokenKeys]; given || o.TokenKeys == nil || p.template.parameter(tokenKeys) == nil {
		return nil
	}
	before := p.stack != nil && !p.gone && hasKey(p.stack.Parameters, tokenKeys)
	needed := p.all["AnonymousAccess"] != "true" && p.all["AuthIssuer"] == ""
	keys, where, err := o.TokenKeys(!before && needed && !o.DryRun)
	if err != nil {
		return fmt.Errorf("keys of playback tokens: %w", err)
	}
	switch {
	case keys != "":
		if err := p.template.parameter(tokenKeys).Check(keys); err != nil {
			return err
		}
		p.values[tokenKeys], p.all[tokenKeys] = keys, keys
		d.say(Note, "keys of playback tokens are kept in %s: s3cam token make signs with them", where)
	case !before && needed:
		d.say(Note, "a key of playback tokens will be made and kept in %s", where)
	case before && needed:
		d.say(Note, "the keys of playback tokens stay as they are; there are none in %s", where)
	}
	if p.stack != nil && !p.gone && !hasKey(p.stack.Parameters, "AnonymousAccess") && needed {
		d.say(Warning, "from now on only cameras of PublicCameras can be watched without a playback token; AnonymousAccess=true keeps all open, as before")
	}
	return nil
}
