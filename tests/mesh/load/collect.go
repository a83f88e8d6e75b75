package main

import (
	"context"
	"fmt"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

type receiver struct {
	collector.UnimplementedTraceServiceServer
}

// Export prints a line a span: its kind, its id, the id of its parent, and how many others it links to.
func (receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				fmt.Printf("%s %x %x %d\n", span.Kind, span.SpanId, span.ParentSpanId, len(span.Links))
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// collect receives traces as OTLP over gRPC. Its first line is its address.
func collect([]string) error {
	listener, err := listen()
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, receiver{})
	return server.Serve(listener)
}
