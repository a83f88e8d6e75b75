package stockroom

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

func (s *settings) unary(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, cancel := s.prepare(ctx)
	defer cancel()
	return typed(invoke(ctx, method, request, reply, connection, options...))
}

func (s *settings) stream(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, cancel := s.prepare(ctx)
	stream, err := open(ctx, description, connection, method, options...)
	if err != nil {
		cancel()
		return nil, typed(err)
	}
	return &typedStream{stream, cancel}, nil
}

// prepare adds the token and, where the caller set none, the default deadline.
func (s *settings) prepare(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+s.token)
	}
	if _, has := ctx.Deadline(); has || s.deadline <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.deadline)
}

// typedStream returns typed errors and releases the stream's deadline at its end.
type typedStream struct {
	grpc.ClientStream
	cancel context.CancelFunc
}

func (s *typedStream) SendMsg(message any) error { return typed(s.ClientStream.SendMsg(message)) }

func (s *typedStream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err != nil {
		s.cancel()
	}
	return typed(err)
}

func cloned[M proto.Message](message M) M { return proto.Clone(message).(M) }
