// Command load is what the trials of ../run start: a client that counts lost calls, a control plane of xDS for it, and a
// collector of traces.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"call": call, "control": control, "collect": collect}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load call|control|collect [FLAG...]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// listen opens a free port of this machine and says which.
func listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(listener.Addr())
	}
	return listener, err
}
