package stockroom.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import stockroom.v1.ErrorReason;

/** A failed call with the details that the gateway sent. */
public final class StockroomException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Status status;
  private ErrorReason reason = ErrorReason.ERROR_REASON_UNSPECIFIED;
  private Map<String, String> metadata = Map.of();
  private Duration retryDelay;
  private String requestId;
  private final Map<String, String> fields = new LinkedHashMap<>();

  private StockroomException(Throwable cause) {
    super(cause.getMessage(), cause);
    status = Status.fromThrowable(cause);
    var received = StatusProto.fromThrowable(cause);
    if (received == null) {
      return;
    }
    for (Any detail : received.getDetailsList()) {
      try {
        read(detail);
      } catch (InvalidProtocolBufferException malformed) {
        addSuppressed(malformed);
      }
    }
  }

  /** The typed form of an error of gRPC. */
  public static StockroomException from(Throwable error) {
    return error instanceof StockroomException typed ? typed : new StockroomException(error);
  }

  /** The gRPC status code. */
  public Status.Code code() {
    return status.getCode();
  }

  /** ERROR_REASON_UNSPECIFIED where the gateway sent none, or one that this version does not know. */
  public ErrorReason reason() {
    return reason;
  }

  /** What belongs to the reason, as the marketplace that is not served. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** How long to wait before another try can succeed. */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  /** Identifies the call in the gateway's log. */
  public Optional<String> requestId() {
    return Optional.ofNullable(requestId);
  }

  /** What is wrong with each invalid field of the request. */
  public Map<String, String> fields() {
    return fields;
  }

  private void read(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      var info = detail.unpack(ErrorInfo.class);
      metadata = info.getMetadataMap();
      var known = ErrorReason.getDescriptor().findValueByName("ERROR_REASON_" + info.getReason());
      reason = known == null ? reason : ErrorReason.valueOf(known);
    } else if (detail.is(RetryInfo.class)) {
      var delay = detail.unpack(RetryInfo.class).getRetryDelay();
      retryDelay = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
    } else if (detail.is(RequestInfo.class)) {
      requestId = detail.unpack(RequestInfo.class).getRequestId();
    } else if (detail.is(BadRequest.class)) {
      for (var violation : detail.unpack(BadRequest.class).getFieldViolationsList()) {
        fields.put(violation.getField(), violation.getDescription());
      }
    }
  }
}
