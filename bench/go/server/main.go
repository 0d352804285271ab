// The server of the grpc-go peer: prints "ready HOST:PORT" and ends when its standard input closes.
package main

import (
	"bench/echo"
	"context"
	"fmt"
	"io"
	"io/ioutil"
	"net"
	"os"

	"google.golang.org/grpc"
)

type service struct {
	echo.UnimplementedEchoServiceServer
}

func (service) Say(ctx context.Context, request *echo.SayRequest) (*echo.SayResponse, error) {
	return &echo.SayResponse{Id: request.Id, N: request.N + 1, Text: "hi"}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	echo.RegisterEchoServiceServer(server, service{})
	go func() {
		io.Copy(ioutil.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("ready %s\n", listener.Addr())
	fmt.Fprintln(os.Stderr, server.Serve(listener))
	os.Exit(1)
}
