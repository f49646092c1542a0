package stream

import "github.com/lovoo/goka"

// failing makes a handler's own Fail stop it at all times. goka's returns when the
// generation is ending, upon which the callback runs on and its record is committed
// although it failed. goka recovers the panic and ends the processor. The Fail that
// goka's other methods call is not this one: see owned for those.
type failing struct {
	gokaContext
	lanes *lanes // nil: none
}

// gokaContext is an alias, as embedding goka.Context itself would hide its
// method Context.
type gokaContext = goka.Context

func (failing) Fail(err error) { panic(err) }

func failForGood(l *lanes) func(goka.Context) goka.Context {
	return func(ctx goka.Context) goka.Context { return failing{ctx, l} }
}
