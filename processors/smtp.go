package processors

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"simplecqrs/order"
)

// SMTPConfig says who sends a step's mails, and what stands in them unless the order's
// own input for the step says otherwise.
type SMTPConfig struct {
	Address    string        // host:port of the server
	From       string        // address of the sender, which gives the Message-ID its domain
	To         string        // where an order's input names nobody; empty: that is declined
	Subject    string        // empty: "Order" and its id
	Timeout    time.Duration // from dialling to the answer; 0: 10 s
	User       string        // for AUTH PLAIN, over TLS alone; empty: none
	Password   string
	RequireTLS bool // else STARTTLS is used where the server offers it
}

// SMTP is a participant that sends a mail for an order (RFC 5321).
//
// The step's input may be {"to", "subject", "text"}. The Message-ID is derived from
// order, step and round, so that of a mail which had to be sent again, since the answer
// to the first was lost, a mail system can tell the copy. A mail that the server refuses
// for good (5xx) is declined; for now (4xx), or without an answer, it is tried again. So it
// is if the server refuses us, also for good: in its greeting, at EHLO, STARTTLS, AUTH or
// MAIL, or by its policy at RCPT. That is no fault of the order's, and the settings can be
// mended. A mail cannot be unsent, so it is never undone.
type SMTP struct {
	config SMTPConfig
	host   string
	domain string
	roots  *x509.CertPool // nil: the system's; a test has its own
}

// NewSMTP checks the settings.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	host, text, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("address %q: want host:port", c.Address)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || host == "" {
		return nil, fmt.Errorf("address %q: want host:port", c.Address)
	}
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("from %q: want a mail address", c.From)
	}
	if c.To != "" {
		if _, err := netmail.ParseAddress(c.To); err != nil {
			return nil, fmt.Errorf("to %q: want a mail address", c.To)
		}
	}
	if c.Timeout == 0 {
		c.Timeout = defaultCallTime
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("timeout %v: want more than nothing", c.Timeout)
	}
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:] // a quoted local part may have its own @
	return &SMTP{config: c, host: host, domain: domain}, nil
}

// letterInput is what an order may say of its mail.
type letterInput struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Do implements Participant.
func (s *SMTP) Do(ctx context.Context, r Request) (order.JSON, error) {
	message, to, err := s.message(r)
	if err != nil {
		return nil, &Declined{Reason: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if err := s.send(ctx, message); err != nil {
		return nil, sendFailure(ctx, err)
	}
	return json.Marshal(map[string]string{"messageId": s.messageID(r), "to": to})
}

// send has the conversation, and the connection is closed when it is over. go-mail heeds
// the context while it dials alone, gives the conversation its timeout anew as it goes on,
// and leaves the connection open where the server refuses us.
func (s *SMTP) send(ctx context.Context, message *mail.Msg) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.config.Address)
	if err != nil {
		return err
	}
	hangUp := func() { _ = conn.Close() } // what that breaks off has its own error
	defer hangUp()
	defer context.AfterFunc(ctx, hangUp)()
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	conversation, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	err = client.SendWithSMTPClient(conversation, message)
	// That the server does not answer our goodbye is no matter.
	_ = conn.SetDeadline(time.Now().Add(restTime))
	_ = conversation.Quit()
	return err
}

// Undo implements Participant.
func (s *SMTP) Undo(context.Context, Request) error {
	return &Declined{Reason: "a mail cannot be unsent"}
}

func (s *SMTP) messageID(r Request) string {
	return fmt.Sprintf("%s.%s.%d@%s", r.OrderID, strings.ToLower(string(r.Step)), r.Round, s.domain)
}

// message writes the mail. Its error says what is wrong with the order's input.
func (s *SMTP) message(r Request) (m *mail.Msg, to string, err error) {
	in := letterInput{To: s.config.To, Subject: s.config.Subject}
	if r.Input != nil {
		if err := json.Unmarshal(r.Input, &in); err != nil {
			return nil, "", errors.New(`the input is no {"to", "subject", "text"}`)
		}
	}
	if in.Subject == "" {
		in.Subject = "Order " + r.OrderID
	}
	if in.Text == "" {
		in.Text = "Your order " + r.OrderID + " is on its way.\n"
	}
	if strings.ContainsAny(in.Subject, "\r\n") {
		return nil, "", errors.New("the subject has more than one line")
	}
	recipient, err := netmail.ParseAddress(in.To)
	if err != nil {
		return nil, "", fmt.Errorf("the recipient %q is no mail address", in.To)
	}
	m = mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := m.From(s.config.From); err != nil {
		return nil, "", err
	}
	if err := m.To(recipient.String()); err != nil {
		return nil, "", err
	}
	m.Subject(in.Subject)
	m.SetMessageIDWithValue(s.messageID(r))
	m.SetDate()
	m.SetBodyString(mail.TypeTextPlain, in.Text)
	return m, recipient.Address, nil
}

// client gives one that talks over the connection.
func (s *SMTP) client(conn net.Conn) (*mail.Client, error) {
	policy := mail.TLSOpportunistic
	if s.config.RequireTLS || s.config.User != "" {
		policy = mail.TLSMandatory
	}
	options := []mail.Option{
		mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
		mail.WithTimeout(2 * s.config.Timeout), // so that the context's end comes first
		mail.WithTLSPolicy(policy),
		mail.WithTLSConfig(&tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}),
		mail.WithoutNoop(), mail.WithoutRset(), // the mail would be delivered, and the answer wait for theirs
	}
	if s.config.User != "" {
		options = append(options,
			mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(s.config.User), mail.WithPassword(s.config.Password))
	}
	return mail.NewClient(s.host, options...)
}

// sendFailure says how sending went wrong: only the server's word makes it certain that
// the mail is not sent. What it says of us is no fault of this mail, and the settings can be
// mended: then the mail is tried again, as often as the plan has it.
func sendFailure(ctx context.Context, err error) error {
	var sent *mail.SendError
	said := errors.As(err, &sent) && sent.ErrorCode() != 0
	switch {
	case said && sent.ErrorCode() >= 500 && !ofUs(sent):
		return &Declined{Reason: err.Error()}
	case !said && ctx.Err() != nil: // all that err knows is that the connection is closed
		return &Failed{Reason: transportReason(ctx.Err())}
	}
	return &Failed{Reason: err.Error()}
}

// ofUs reports whether a server refuses the sender, and not the mail. Many say so only at the
// recipient, by an enhanced status code (RFC 3463, 3.2 and 3.8).
func ofUs(e *mail.SendError) bool {
	const authenticationRequired = 530 // RFC 4954, 6: at any command
	policy := strings.HasPrefix(e.EnhancedStatusCode(), "5.7.") || slices.Contains([]string{"5.1.7", "5.1.8"}, e.EnhancedStatusCode())
	return e.Reason == mail.ErrSMTPMailFrom || e.Reason == mail.ErrSMTPRcptTo && policy || e.ErrorCode() == authenticationRequired
}
