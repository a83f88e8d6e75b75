package stockroom

import (
	"fmt"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	stockroomv1 "github.com/stockroom-gateway/stockroom/clients/go/stockroomv1"
)

// Error is a failed call with the details that the gateway sent. status.FromError and status.Code accept it.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message describes the error in words.
	Message string
	// Reason is ERROR_REASON_UNSPECIFIED where the gateway sent none, or one that this version does not know.
	Reason stockroomv1.ErrorReason
	// Metadata belongs to the reason, as the marketplace that is not served.
	Metadata map[string]string
	// RetryDelay is how long to wait before another try can succeed; zero where the gateway gave none.
	RetryDelay time.Duration
	// RequestID identifies the call in the gateway's log.
	RequestID string
	// Fields are the invalid fields of the request.
	Fields []FieldViolation

	status *status.Status
}

// FieldViolation is an invalid field of a request.
type FieldViolation struct {
	// Field is a path, as "query.min_price".
	Field string
	// Description says what is wrong with it.
	Description string
}

func (e *Error) Error() string {
	text := e.Code.String()
	if e.Reason != stockroomv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		text += " " + e.Reason.String()[len("ERROR_REASON_"):]
	}
	text += ": " + e.Message
	for _, field := range e.Fields {
		text += fmt.Sprintf("; %s: %s", field.Field, field.Description)
	}
	return text
}

// GRPCStatus returns the status with all its details.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// typed turns the error of a call into an *Error. The end of a stream stays io.EOF.
func typed(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	received := status.Convert(err)
	e := &Error{Code: received.Code(), Message: received.Message(), status: received}
	for _, detail := range received.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = stockroomv1.ErrorReason(stockroomv1.ErrorReason_value["ERROR_REASON_"+detail.GetReason()])
			e.Metadata = detail.GetMetadata()
		case *errdetails.RetryInfo:
			e.RetryDelay = detail.GetRetryDelay().AsDuration()
		case *errdetails.RequestInfo:
			e.RequestID = detail.GetRequestId()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{violation.GetField(), violation.GetDescription()})
			}
		}
	}
	return e
}
