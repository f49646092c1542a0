package processors

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"simplecqrs/order"
)

// postOffice is an SMTP server that refuses as the test says.
type postOffice struct {
	from, rcpt, data, accepted error // at each stage of the conversation; accepted: after the mail
	cut                        bool  // the connection is cut instead of the answer to the mail

	mu    sync.Mutex
	mails []*mail.Message
	conn  net.Conn
}

func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = c.Conn()
	return p, nil
}
func (p *postOffice) Mail(string, *smtp.MailOptions) error { return p.from }
func (p *postOffice) Rcpt(string, *smtp.RcptOptions) error { return p.rcpt }
func (p *postOffice) Reset()                               {}
func (p *postOffice) Logout() error                        { return nil }

func (p *postOffice) Data(r io.Reader) error {
	if p.data != nil {
		return p.data
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	if p.cut {
		return errors.Join(p.conn.Close(), io.EOF)
	}
	return p.accepted
}

// open starts the server and gives a participant that sends by it.
func (p *postOffice) open(t *testing.T, c SMTPConfig) *SMTP {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	server := smtp.NewServer(p)
	server.Domain = "post.example"
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) }) // it ends with Close
	t.Cleanup(func() {                        // before it serves, the server does not know its listener
		_, _ = server.Close(), l.Close()
		served.Wait()
	})
	c.Address, c.From = l.Addr().String(), "Shop <shop@shop.example>"
	c.Timeout = 5 * time.Second
	s, err := NewSMTP(c)
	check(t, err)
	return s
}

var letterAsked = Request{
	OrderID: "ORD-B384F", Step: order.Mail, Attempt: 1, Round: 1,
	Input: order.JSON(`{"to":"Ann <ann@example.org>","subject":"Grüße","text":"It is here.\n.\nReally."}`),
}

func TestAMailIsSentAndKnownByItsOrderStepAndRound(t *testing.T) {
	var p postOffice
	s := p.open(t, SMTPConfig{})
	output, err := s.Do(t.Context(), letterAsked)
	check(t, err)
	if want := `{"messageId":"ORD-B384F.mail.1@shop.example","to":"ann@example.org"}`; string(output) != want {
		t.Errorf("the output is %s, want %s", output, want)
	}
	again := letterAsked
	again.Attempt = 2
	if _, err := s.Do(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	another := letterAsked
	another.Round = 2
	if _, err := s.Do(t.Context(), another); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range p.mails {
		ids = append(ids, m.Header.Get("Message-ID"))
	}
	if len(ids) != 3 || ids[0] != "<ORD-B384F.mail.1@shop.example>" || ids[1] != ids[0] || ids[2] != "<ORD-B384F.mail.2@shop.example>" {
		t.Errorf("the ids of the mails are %v", ids)
	}
	m := p.mails[0]
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	check(t, err)
	body, err := io.ReadAll(m.Body)
	check(t, err)
	if subject != "Grüße" || !strings.Contains(string(body), "It is here.\r\n.\r\nReally.") ||
		!strings.Contains(m.Header.Get("From"), "shop@shop.example") || !strings.Contains(m.Header.Get("To"), "ann@example.org") {
		t.Errorf("the mail is %v with %q", m.Header, body)
	}
	if _, err := m.Header.Date(); err != nil {
		t.Errorf("its date: %v", err)
	}
}

func TestAMailThatIsRefused(t *testing.T) {
	temporary := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "busy"}
	forGood := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody of that name"}
	for _, c := range []struct {
		name     string
		office   *postOffice
		declined bool
	}{
		{"its sender, for now", &postOffice{from: temporary}, false},
		{"its sender, for good: it is our settings'", &postOffice{from: forGood}, false},
		{"its recipient, for now", &postOffice{rcpt: temporary}, false},
		{"its recipient, for good", &postOffice{rcpt: forGood}, true},
		{"its text, for now", &postOffice{data: temporary}, false},
		{"its text, for good", &postOffice{data: forGood}, true},
		{"after it was sent, for now", &postOffice{accepted: temporary}, false},
		{"after it was sent, for good", &postOffice{accepted: forGood}, true},
		{"the answer is lost: it may be sent", &postOffice{cut: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.office.open(t, SMTPConfig{}).Do(t.Context(), letterAsked)
			var declined *Declined
			var failed *Failed
			if !errors.As(err, &declined) && !errors.As(err, &failed) || (declined != nil) != c.declined {
				t.Errorf("it is %T: %v", err, err)
			}
		})
	}
}

func TestAMailServerThatIsAwayIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s, err := NewSMTP(SMTPConfig{Address: l.Addr().String(), From: "shop@shop.example"})
	check(t, err)
	check(t, l.Close())
	_, err = s.Do(t.Context(), letterAsked)
	var failed *Failed
	if !errors.As(err, &failed) {
		t.Errorf("it is %T: %v", err, err)
	}
}

// clerk is an SMTP server by what it answers, by command; "" is its greeting, and "." the
// end of a mail. To what has no answer it is silent.
type clerk map[string]string

// with is a clerk who takes a mail, but for what is changed. An empty answer is silence.
func with(changed clerk) clerk {
	c := clerk{
		"": "220 post.example", "EHLO": "250-post.example\r\n250-STARTTLS\r\n250 AUTH PLAIN", "STARTTLS": "220 go on",
		"AUTH": "235 welcome", "*": "501 as you like", "NOOP": "250 still here", "MAIL": "250 fine", "RCPT": "250 fine",
		"DATA": "354 go on", ".": "250 taken", "RSET": "250 fine", "QUIT": "221 goodbye",
	}
	maps.Copy(c, changed)
	return c
}

// counter is where one conversation with a clerk takes place.
type counter struct {
	*SMTP
	silent chan struct{} // closed at the first thing that the clerk does not answer
	left   chan struct{} // closed when the client has hung up
}

func (c clerk) open(t *testing.T, config SMTPConfig) counter {
	t.Helper()
	secure := httptest.NewTLSServer(nil) // for its certificate alone
	secure.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	config.Address, config.From = l.Addr().String(), "shop@shop.example"
	s, err := NewSMTP(config)
	check(t, err)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(secure.Certificate())
	at := counter{s, make(chan struct{}), make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer context.AfterFunc(t.Context(), func() { _ = conn.Close() })()
		defer close(at.left)
		c.serve(conn, secure.TLS, sync.OnceFunc(func() { close(at.silent) }))
	})
	t.Cleanup(func() {
		_ = l.Close() // it ends Accept, and that is all that is wanted
		served.Wait()
	})
	return at
}

// serve answers until the client hangs up.
func (c clerk) serve(conn net.Conn, secure *tls.Config, silent func()) {
	lines := bufio.NewScanner(conn)
	command, mail := "", false
	for {
		answer := c[command]
		switch {
		case mail && command != ".":
		case answer == "":
			silent()
		default:
			_, _ = io.WriteString(conn, answer+"\r\n") // a client may have left
			mail = command == "DATA"
			if command == "STARTTLS" && strings.HasPrefix(answer, "220") {
				conn = tls.Server(conn, secure)
				lines = bufio.NewScanner(conn)
			}
		}
		if !lines.Scan() {
			return
		}
		command, _, _ = strings.Cut(lines.Text(), " ")
	}
}

// hungUp holds a client to having closed its connection.
func (c counter) hungUp(t *testing.T) {
	t.Helper()
	select {
	case <-c.left:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}

// It is delivered. If the answer waited, the saga would have another sent.
func TestAMailThatIsTakenIsSentWhateverTheServerSaysNext(t *testing.T) {
	const long = 20 * time.Second
	c := with(clerk{"RSET": "", "QUIT": ""}).open(t, SMTPConfig{Timeout: long})
	began := time.Now()
	_, err := c.Do(t.Context(), letterAsked)
	check(t, err)
	if took := time.Since(began); took > long/2 {
		t.Errorf("it took %v", took)
	}
	c.hungUp(t)
}

// A server that hangs holds up a lane, the order, and the end of the process.
func TestASlowMailServerIsGivenUp(t *testing.T) {
	const short = 100 * time.Millisecond
	for _, command := range []string{"", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."} {
		for name, one := range map[string]struct {
			timeout, ends time.Duration // of the conversation, and the request
			cancelled     bool
			reason        string
		}{
			"by the timeout":            {short, time.Hour, false, "no answer in time"},
			"by the request's deadline": {time.Minute, short, false, "no answer in time"},
			"by the end of the process": {time.Minute, time.Hour, true, "no answer: context canceled"},
		} {
			t.Run(strings.TrimSpace(command+" "+name), func(t *testing.T) {
				t.Parallel()
				c := with(clerk{command: ""}).open(t, SMTPConfig{Timeout: one.timeout, User: "shop", Password: "secret"})
				ctx, cancel := context.WithTimeout(t.Context(), one.ends)
				defer cancel()
				if one.cancelled {
					go func() { <-c.silent; cancel() }()
				}
				began := time.Now()
				_, err := c.Do(ctx, letterAsked)
				failed(t, err, one.reason)
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				c.hungUp(t)
			})
		}
	}
}

// It is our settings that it does not like, or the server's, and not the mail.
func TestAServerThatRefusesUsIsTriedAgain(t *testing.T) {
	for name, one := range map[string]struct {
		refuses clerk
		reason  string
	}{
		"in its greeting": {clerk{"": "554 no service here"}, `554 "no service`},
		"at EHLO":         {clerk{"EHLO": "550 not you", "HELO": "550 not you"}, "smtp: EHLO/HELO exchange failed. EHLO response: 550"},
		"at STARTTLS":     {clerk{"STARTTLS": "554 no TLS today"}, `554 "no TLS`},
		"at MAIL":         {clerk{"MAIL": "553 not your address"}, `sending SMTP MAIL FROM command: 553 "not`},
		"at RCPT":         {clerk{"RCPT": "530 who are you"}, `sending SMTP RCPT TO command: 530 "who`},
		"at RCPT, by its policy": {clerk{
			"EHLO": "250-post.example\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN",
			"RCPT": "553 5.7.1 <shop@shop.example>: Sender address rejected: not owned by user shop",
		}, `sending SMTP RCPT TO command: 553 "5.7.1`},
		"at AUTH": {clerk{"AUTH": "535 wrong password", "QUIT": "421 too busy"}, `SMTP AUTH failed: 535 "wrong`},
	} {
		t.Run(name, func(t *testing.T) {
			c := with(one.refuses).open(t, SMTPConfig{User: "shop", Password: "secret"})
			_, err := c.Do(t.Context(), letterAsked)
			failed(t, err, one.reason)
			c.hungUp(t)
		})
	}
}

func TestAMailIsSentOverTLSByWhomTheServerKnows(t *testing.T) {
	c := with(nil).open(t, SMTPConfig{User: "shop", Password: "secret"})
	_, err := c.Do(t.Context(), letterAsked)
	check(t, err)
	c.hungUp(t)
}

func TestTheDomainOfAMailsIDIsTheSenders(t *testing.T) {
	for from, want := range map[string]string{
		"Shop <shop@shop.example>":    "shop.example",
		`"the@shop"@shop.example`:     "shop.example",
		`Shop <"a@b@c"@shop.example>`: "shop.example",
	} {
		s, err := NewSMTP(SMTPConfig{Address: "localhost:25", From: from})
		check(t, err)
		differ(t, from, "ORD-B384F.mail.1@"+want, s.messageID(letterAsked))
	}
}

func TestAnInputThatMakesNoMailIsDeclined(t *testing.T) {
	var p postOffice
	s := p.open(t, SMTPConfig{})
	for _, in := range []string{
		`{"to":"nobody"}`, `{}`, `[1]`, `{"to":1}`,
		`{"to":"ann@example.org\r\nBcc: all@example.org"}`,
		`{"to":"ann@example.org","subject":"hello\r\nBcc: all@example.org"}`,
	} {
		r := letterAsked
		r.Input = order.JSON(in)
		_, err := s.Do(t.Context(), r)
		var declined *Declined
		if !errors.As(err, &declined) {
			t.Errorf("%s: it is %T: %v", in, err, err)
		}
	}
	if len(p.mails) > 0 {
		t.Errorf("%d mails were sent", len(p.mails))
	}
}

func TestAMailWithoutAnInputGoesWhereTheSettingsSay(t *testing.T) {
	var p postOffice
	s := p.open(t, SMTPConfig{To: "orders@example.org", Subject: "An order"})
	r := letterAsked
	r.Input = nil
	_, err := s.Do(t.Context(), r)
	check(t, err)
	if h := p.mails[0].Header; h.Get("Subject") != "An order" || !strings.Contains(h.Get("To"), "orders@example.org") {
		t.Errorf("the mail is %v", h)
	}
}

func TestAMailIsNotSentInTheOpenWhereTLSIsRequired(t *testing.T) {
	var p postOffice
	for _, c := range []SMTPConfig{{RequireTLS: true}, {User: "shop", Password: "secret"}} {
		_, err := p.open(t, c).Do(t.Context(), letterAsked)
		var failed *Failed
		if !errors.As(err, &failed) || len(p.mails) > 0 {
			t.Errorf("%+v: it is %v, and %d mails were sent", c, err, len(p.mails))
		}
	}
}

func TestAMailCannotBeUnsent(t *testing.T) {
	var p postOffice
	err := p.open(t, SMTPConfig{}).Undo(t.Context(), letterAsked)
	var declined *Declined
	if !errors.As(err, &declined) {
		t.Errorf("it is %v", err)
	}
}

func TestMailSettingsThatCannotBeRight(t *testing.T) {
	for _, c := range []SMTPConfig{
		{Address: "localhost", From: "a@b.example"},
		{Address: "localhost:0", From: "a@b.example"},
		{Address: ":25", From: "a@b.example"},
		{Address: "localhost:smtp", From: "a@b.example"},
		{Address: "localhost:25", From: "nobody"},
		{Address: "localhost:25", From: "a@b.example", To: "nobody"},
	} {
		if _, err := NewSMTP(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
