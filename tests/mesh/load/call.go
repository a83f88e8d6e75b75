package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	_ "google.golang.org/grpc/xds"

	pb "github.com/stockroom-gateway/stockroom/clients/go/stockroomv1"
)

// deadline is longer than a drain takes.
const deadline = 20 * time.Second

type result struct {
	Answered int            `json:"answered"`
	Lost     map[string]int `json:"lost"`
	// The ids of the spans of calls that were answered.
	Spans []string `json:"spans"`
}

// call makes calls for a while, without retries, and prints what became of them. Each call has a span of its own.
func call(arguments []string) error {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	target := flags.String("target", "", "a gRPC target")
	folder := flags.String("tls", "", "the folder of ca.pem, client.pem and client.key; empty without TLS")
	identity := flags.String("identity", "", "the value of x-forwarded-client-cert to send")
	seconds := flags.Float64("seconds", 10, "how long to make calls")
	connections := flags.Int("connections", 4, "")
	workers := flags.Int("workers", 16, "calls in flight at most")
	pause := flags.Duration("pause", 10*time.Millisecond, "between the calls of a worker")
	flags.Parse(arguments)

	transport, err := transportCredentials(*folder)
	if err != nil {
		return err
	}
	var clients []pb.ProductServiceClient
	for range *connections {
		connection, err := grpc.NewClient(*target, grpc.WithTransportCredentials(transport), grpc.WithDisableRetry())
		if err != nil {
			return err
		}
		clients = append(clients, pb.NewProductServiceClient(connection))
	}
	all := result{Lost: map[string]int{}, Spans: []string{}}
	var lock sync.Mutex
	var wait sync.WaitGroup
	end := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	for worker := range *workers {
		wait.Go(func() {
			for time.Now().Before(end) {
				span := fmt.Sprintf("%016x", rand.Uint64()|1)
				headers := metadata.Pairs("traceparent", fmt.Sprintf("00-%016x%016x-%s-01", rand.Uint64(), rand.Uint64()|1, span))
				if *identity != "" {
					headers.Set("x-forwarded-client-cert", *identity)
				}
				ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), headers), deadline)
				_, err := clients[worker%len(clients)].GetProduct(ctx, &pb.GetProductRequest{Asin: "B0SBHEAD01"})
				cancel()
				lock.Lock()
				if err == nil {
					all.Answered++
					all.Spans = append(all.Spans, span)
				} else {
					all.Lost[err.Error()]++
				}
				lock.Unlock()
				time.Sleep(*pause)
			}
		})
	}
	wait.Wait()
	return json.NewEncoder(os.Stdout).Encode(all)
}

func transportCredentials(folder string) (credentials.TransportCredentials, error) {
	if folder == "" {
		return insecure.NewCredentials(), nil
	}
	pair, err := tls.LoadX509KeyPair(folder+"/client.pem", folder+"/client.key")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(folder + "/ca.pem")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "localhost"}
	return credentials.NewTLS(config), nil
}
