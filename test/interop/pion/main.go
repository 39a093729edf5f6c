// A DTLS peer for the interop tests: pion/dtls with a PSK and, if asked for, a connection ID.
//
//	peer server PORT IDENTITY KEY SUITE CID_LENGTH   sends back what it gets
//	peer client PORT IDENTITY KEY SUITE CID_LENGTH   sends the lines of its input, prints the answers
//
// A line "reconnect" makes the client connect anew, with the session that it has. KEY is hexadecimal, SUITE a number. CID_LENGTH -1 is no extension, 0 asks for no connection ID and takes one.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/pion/dtls/v3"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	value, err := strconv.ParseInt(text, 0, 32)
	check(err)
	return int(value)
}

// sessions keeps what may be resumed.
type sessions struct {
	mutex sync.Mutex
	held  map[string]dtls.Session
}

func (s *sessions) Set(key []byte, session dtls.Session) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.held[string(key)] = session
	return nil
}

func (s *sessions) Get(key []byte) (dtls.Session, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.held[string(key)], nil
}

func (s *sessions) Del(key []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.held, string(key))
	return nil
}

func serve(conn net.Conn) {
	fmt.Println("connected")
	buffer := make([]byte, 16384)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			fmt.Println("closed")
			return
		}
		_, err = conn.Write(buffer[:n])
		check(err)
	}
}

func main() {
	key, err := hex.DecodeString(os.Args[4])
	check(err)
	config := &dtls.Config{
		PSK:                  func([]byte) ([]byte, error) { return key, nil },
		PSKIdentityHint:      []byte(os.Args[3]),
		CipherSuites:         []dtls.CipherSuiteID{dtls.CipherSuiteID(number(os.Args[5]))},
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		SessionStore:         &sessions{held: map[string]dtls.Session{}},
	}
	switch length := number(os.Args[6]); {
	case length == 0:
		config.ConnectionIDGenerator = dtls.OnlySendCIDGenerator()
	case length > 0:
		config.ConnectionIDGenerator = dtls.RandomCIDGenerator(length)
	}
	address := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: number(os.Args[2])}
	if os.Args[1] == "server" {
		listener, err := dtls.Listen("udp", address, config)
		check(err)
		fmt.Println("listening")
		for {
			conn, err := listener.Accept()
			if err != nil {
				fmt.Println(err)
				continue
			}
			go serve(conn)
		}
	}
	conn, err := dtls.Dial("udp", address, config)
	check(err)
	fmt.Println("connected")
	lines := bufio.NewScanner(os.Stdin)
	buffer := make([]byte, 16384)
	for lines.Scan() {
		if lines.Text() == "reconnect" {
			check(conn.Close())
			conn, err = dtls.Dial("udp", address, config)
			check(err)
			fmt.Println("connected")
			continue
		}
		_, err = conn.Write(lines.Bytes())
		check(err)
		n, err := conn.Read(buffer)
		check(err)
		fmt.Println(string(buffer[:n]))
	}
	check(conn.Close())
}
