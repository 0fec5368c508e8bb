// Package pb is CRIU's image messages, as go-criu has them, with code that encodes
// and decodes them without reflection: google.golang.org/protobuf builds its tables
// when a program starts and when a message is first used, which took longer than
// all of a small dump.
package pb

//go:generate go run ./gen
