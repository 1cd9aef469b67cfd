// Package access keeps the service PIN and the trail of service actions.
package access

import _ "golang.org/x/crypto/argon2" // the PIN's hash
