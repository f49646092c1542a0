package saga

import "simplecqrs/order"

// contested takes another client's request for an order that is there already. The worker
// hears it, too, and to the participant it is the same piece of work: no answer to it is
// used, but what it may have done is the order's to undo. As a participant may not say
// which of them it answers, the order's end is from here on the saga's to tell.
func (s State) contested(in OrderRequested) State {
	if s.Status == order.StatusCompleted || s.StartAt.IsZero() && (in.ID == s.Began || s.Began == "" && in.ID == s.firstRequest()) {
		return s
	}
	if !s.Unsettled {
		s = s.moved().unsettled()
	}
	w := s.first()
	if w.Contested || w.Round > 1 || w.Effect == Undone {
		return s
	}
	s = s.moved()
	idle := w.Effect == NoEffect
	w.Contested = true
	if idle {
		w.Effect = MayHave
	}
	if len(s.Work) == 0 {
		s.Work = make([]Work, 1)
	}
	s.Work[0] = w
	if idle && s.Status.Ended() && s.Definition.Steps[0].Compensation.Possible {
		s.Status = order.StatusCompensating
		return s.undoNext(in.Heard)
	}
	return s
}

// first is the work of the first step.
func (s State) first() Work {
	if len(s.Work) == 0 {
		return Work{Round: 1}
	}
	return s.Work[0]
}
