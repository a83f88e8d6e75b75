package stockroom.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.util.concurrent.TimeUnit;

/** Adds the token, and the default deadline where the caller set none. */
final class CallDefaults implements ClientInterceptor {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final StockroomClient.Options options;

  CallDefaults(StockroomClient.Options options) {
    this.options = options;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions call, Channel next) {
    if (call.getDeadline() == null) {
      call = call.withDeadlineAfter(options.deadline().toMillis(), TimeUnit.MILLISECONDS);
    }
    return new SimpleForwardingClientCall<>(next.newCall(method, call)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        if (options.token() != null) {
          headers.put(AUTHORIZATION, "Bearer " + options.token());
        }
        super.start(listener, headers);
      }
    };
  }
}
