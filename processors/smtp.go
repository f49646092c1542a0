package processors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
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
	Timeout    time.Duration // of the conversation; 0: 10 s
	User       string        // for AUTH PLAIN, over TLS alone; empty: none
	Password   string
	RequireTLS bool // else STARTTLS is used where the server offers it
}

// SMTP is a participant that sends a mail for an order (RFC 5321).
//
// The step's input may be {"to", "subject", "text"}. The Message-ID is derived from
// order, step and round, so that of a mail which had to be sent again, since the answer
// to the first was lost, a mail system can tell the copy. What the server refuses for
// good (5xx) is declined; for now (4xx), or without an answer, it is tried again. A mail
// cannot be unsent, so it is never undone.
type SMTP struct {
	config SMTPConfig
	host   string
	port   int
	domain string
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
	_, domain, _ := strings.Cut(from.Address, "@")
	return &SMTP{config: c, host: host, port: int(port), domain: domain}, nil
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
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	// That the server does not answer our goodbye is no matter once it has the mail.
	if err := client.DialAndSendWithContext(ctx, message); err != nil && !message.IsDelivered() {
		return nil, sendFailure(err)
	}
	return json.Marshal(map[string]string{"messageId": s.messageID(r), "to": to})
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

func (s *SMTP) client() (*mail.Client, error) {
	policy := mail.TLSOpportunistic
	if s.config.RequireTLS || s.config.User != "" {
		policy = mail.TLSMandatory
	}
	options := []mail.Option{mail.WithPort(s.port), mail.WithTimeout(s.config.Timeout), mail.WithTLSPolicy(policy)}
	if s.config.User != "" {
		options = append(options,
			mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(s.config.User), mail.WithPassword(s.config.Password))
	}
	return mail.NewClient(s.host, options...)
}

// sendFailure says how sending went wrong: only the server's word makes it certain that
// the mail is not sent.
func sendFailure(err error) error {
	var sent *mail.SendError
	if errors.As(err, &sent) && sent.ErrorCode() >= 500 {
		return &Declined{Reason: err.Error()}
	}
	return &Failed{Reason: err.Error()}
}
