//go:build linux

package main

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// socketAttempts go for the network, and for what else is reached by sockets.
func socketAttempts() []attempt {
	list := []attempt{
		{name: "connect-tcp", what: "connects to the machine by TCP", do: func(t *target) error { return connect(unix.AF_INET, unix.SOCK_STREAM, 0, loopback(t.TCP)) }},
		{name: "connect-mptcp", what: "connects to the machine by MPTCP", do: func(t *target) error {
			return connect(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, loopback(t.TCP))
		}},
		{name: "send-udp", what: "sends a UDP packet", do: sendUDP},
		{name: "connect-unix", what: "connects to a socket in the file system, as the operator's or docker's", do: func(t *target) error {
			return connect(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: t.Unix})
		}},
		{name: "connect-abstract", what: "connects to an abstract socket", do: func(t *target) error {
			return connect(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: t.Abstract})
		}},
		{name: "serve-tcp", what: "serves TCP", do: serveTCP},
		{name: "socket-pair", what: "makes a pair of sockets", do: func(*target) error {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				unix.Close(fds[0])
				unix.Close(fds[1])
			}
			return err
		}},
		{name: "send-rights", what: "sends a descriptor to the server along with a frame", do: sendRights},
		{name: "receive-rights", what: "asks its socket for descriptors", do: receiveRights},
		{name: "peer", what: "asks its socket who is at the other end", do: func(*target) error {
			_, err := unix.GetsockoptUcred(socketDescriptor, unix.SOL_SOCKET, unix.SO_PEERCRED)
			return err
		}},
	}
	for _, s := range []struct {
		name                   string
		family, kind, protocol int
	}{
		{"ipv6", unix.AF_INET6, unix.SOCK_STREAM, 0},
		{"raw", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		{"packet", unix.AF_PACKET, unix.SOCK_RAW, 0},
		{"netlink", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
		{"audit", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT},
		{"vsock", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		{"alg", unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{"xdp", unix.AF_XDP, unix.SOCK_RAW, 0},
		{"key", unix.AF_KEY, unix.SOCK_RAW, 2},
		{"bluetooth", unix.AF_BLUETOOTH, unix.SOCK_RAW, 1},
		{"can", unix.AF_CAN, unix.SOCK_RAW, 1},
		{"tipc", unix.AF_TIPC, unix.SOCK_RDM, 0},
		{"sctp", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
	} {
		list = append(list, attempt{name: "socket-" + s.name, what: "makes a socket of the kind " + s.name, do: func(*target) error {
			fd, err := unix.Socket(s.family, s.kind|unix.SOCK_CLOEXEC, s.protocol)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}})
	}
	return list
}

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func connect(family, kind, protocol int, address unix.Sockaddr) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, address)
}

func sendUDP(t *target) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("x"), 0, loopback(t.UDP))
}

func serveTCP(*target) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, loopback(0)); err != nil {
		return err
	}
	return unix.Listen(fd, 1)
}

// sendRights sends an honest frame, of no rows, and a descriptor with it.
func sendRights(t *target) error {
	mine, err := os.Open(t.Own)
	if err != nil {
		return err
	}
	defer mine.Close()
	return unix.Sendmsg(socketDescriptor, pack(0, kindRows, t.call, nil), unix.UnixRights(int(mine.Fd())), nil, 0)
}

// receiveRights takes what came with a frame, of which there is none at the moment.
func receiveRights(*target) error {
	rights := make([]byte, unix.CmsgSpace(16*binary.Size(int32(0))))
	_, _, _, _, err := unix.Recvmsg(socketDescriptor, make([]byte, 1), rights, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return passed(err, unix.EAGAIN)
}
