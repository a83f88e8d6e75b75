// Package stockroom is the Go client of the Stockroom gateway.
//
// [Connect] returns a [Client] whose fields are the generated stubs of package stockroomv1. Interceptors below them add the
// token and a default deadline, and turn every failed call into an [*Error]. Retries, load balancing and health checking
// follow the service config that all clients of Stockroom share.
package stockroom

import (
	"context"
	"crypto/tls"
	_ "embed"
	"fmt"
	"io"
	"iter"
	"net"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // client-side health checking, which the service config asks for
	"google.golang.org/grpc/keepalive"

	stockroomv1 "github.com/stockroom-gateway/stockroom/clients/go/stockroomv1"
)

//go:embed service-config.json
var serviceConfig string

const (
	defaultDeadline = 10 * time.Second
	// A hundred products with all their parts are about 2 MiB.
	maxMessageBytes = 16 << 20
	// Not below the shortest interval that a gRPC server accepts by default: 5 minutes without, 10 seconds with calls in flight.
	keepaliveInterval = 30 * time.Second
	keepaliveTimeout  = 20 * time.Second
)

// Client is a connection to a gateway. Its fields are the generated stubs.
type Client struct {
	Search   stockroomv1.SearchServiceClient
	Products stockroomv1.ProductServiceClient
	Browse   stockroomv1.BrowseServiceClient
	Admin    stockroomv1.AdminServiceClient

	connection *grpc.ClientConn
}

// Option changes how a client connects.
type Option func(*settings)

type settings struct {
	token    string
	tls      *tls.Config
	deadline time.Duration
	dial     []grpc.DialOption
}

// WithToken sends the bearer token of a caller that the gateway knows.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithTLS connects with TLS, also where the address is not an https URL.
func WithTLS(config *tls.Config) Option { return func(s *settings) { s.tls = config } }

// WithDeadline sets the deadline of calls whose context has none. The default is 10 seconds.
func WithDeadline(deadline time.Duration) Option { return func(s *settings) { s.deadline = deadline } }

// WithDialOptions passes further options to gRPC.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Connect returns a client of the gateway at an address: "host:port", a gRPC target as "dns:///stockroom:50051", or a URL
// as "http://host:port" or "https://host". It does not wait for a connection; the first call opens it.
func Connect(address string, options ...Option) (*Client, error) {
	s := settings{deadline: defaultDeadline}
	for _, option := range options {
		option(&s)
	}
	target, secure, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if secure && s.tls == nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport := insecure.NewCredentials()
	if s.tls != nil {
		transport = credentials.NewTLS(s.tls)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveInterval, Timeout: keepaliveTimeout}),
		grpc.WithChainUnaryInterceptor(s.unary),
		grpc.WithChainStreamInterceptor(s.stream),
	}
	connection, err := grpc.NewClient(target, append(dial, s.dial...)...)
	if err != nil {
		return nil, fmt.Errorf("stockroom: %w", err)
	}
	return &Client{
		Search:     stockroomv1.NewSearchServiceClient(connection),
		Products:   stockroomv1.NewProductServiceClient(connection),
		Browse:     stockroomv1.NewBrowseServiceClient(connection),
		Admin:      stockroomv1.NewAdminServiceClient(connection),
		connection: connection,
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.connection.Close() }

// Connection is the gRPC connection below the stubs.
func (c *Client) Connection() *grpc.ClientConn { return c.connection }

// SearchPages yields the pages of a search until the last one. It stops after the first error.
func (c *Client) SearchPages(ctx context.Context, request *stockroomv1.SearchProductsRequest) iter.Seq2[*stockroomv1.SearchProductsResponse, error] {
	return func(yield func(*stockroomv1.SearchProductsResponse, error) bool) {
		next := cloned(request)
		for {
			page, err := c.Search.SearchProducts(ctx, next)
			if !yield(page, err) || err != nil || page.GetNextPageToken() == "" {
				return
			}
			next.PageToken = page.GetNextPageToken()
		}
	}
}

// Messages yields the messages of a server stream. It stops after the first error; the end of the stream is not one.
func Messages[T any](stream grpc.ServerStreamingClient[T], err error) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			message, err := stream.Recv()
			if err == io.EOF {
				return
			}
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// parseAddress turns a URL into a gRPC target and leaves every other address as it is.
func parseAddress(address string) (target string, secure bool, err error) {
	parsed, err := url.Parse(address)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		if address == "" {
			return "", false, fmt.Errorf("stockroom: the address is empty")
		}
		return address, false, nil
	}
	if parsed.Hostname() == "" || (parsed.Path != "" && parsed.Path != "/") {
		return "", false, fmt.Errorf("stockroom: %q is not the URL of a gateway", address)
	}
	secure = parsed.Scheme == "https"
	port := parsed.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	return net.JoinHostPort(parsed.Hostname(), port), secure, nil
}
