// Package access says whom a token is of and what its holder may do, and holds the
// certificate that the server shows.
//
// Tokens stand in a file, or are an OpenID issuer's JWTs, or both. What lies in files
// is read again when it changes: a version that is no good is told of, and the one
// before stays. The text of an *[order.Error] may be shown to whoever sent the token.
package access
