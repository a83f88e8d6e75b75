package stockroom.client;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import stockroom.v1.AdminServiceGrpc;
import stockroom.v1.BrowseServiceGrpc;
import stockroom.v1.ProductServiceGrpc;
import stockroom.v1.SearchProductsRequest;
import stockroom.v1.SearchProductsResponse;
import stockroom.v1.SearchServiceGrpc;

/**
 * A connection to a Stockroom gateway, and the generated stubs over it.
 *
 * <p>Every call carries the token and, where the caller sets none, the default deadline. Retries, load balancing and health
 * checking follow the service config that all clients of Stockroom share. A failed call throws {@link
 * StatusRuntimeException}; {@link #call} and {@link StockroomException#from} turn it into a {@link StockroomException}.
 */
public final class StockroomClient implements AutoCloseable {
  // A hundred products with all their parts are about 2 MiB.
  private static final int MAX_MESSAGE_BYTES = 16 << 20;

  private final ManagedChannel channel;
  private final io.grpc.Channel intercepted;

  private StockroomClient(ManagedChannel channel, Options options) {
    this.channel = channel;
    this.intercepted = io.grpc.ClientInterceptors.intercept(channel, new CallDefaults(options));
  }

  /** How a client connects. */
  public record Options(String token, Duration deadline, File caFile, File certFile, File keyFile) {
    public Options {
      Objects.requireNonNull(deadline);
    }

    /** No token, a deadline of 10 seconds, the platform's certificate authorities. */
    public static Options defaults() {
      return new Options(null, Duration.ofSeconds(10), null, null, null);
    }

    /** With the bearer token of a caller that the gateway knows. */
    public Options withToken(String token) {
      return new Options(token, deadline, caFile, certFile, keyFile);
    }

    /** With the deadline of calls that have none. */
    public Options withDeadline(Duration deadline) {
      return new Options(token, deadline, caFile, certFile, keyFile);
    }

    /** With TLS that trusts the authorities in a PEM file, also where the address is not an https URL. */
    public Options withCaFile(File caFile) {
      return new Options(token, deadline, caFile, certFile, keyFile);
    }

    /** With a client certificate, both files PEM. */
    public Options withClientCertificate(File certFile, File keyFile) {
      return new Options(token, deadline, caFile, certFile, keyFile);
    }
  }

  /** A client of the gateway at "host:port", a gRPC target, or a URL. */
  public static StockroomClient connect(String address) {
    return connect(address, Options.defaults());
  }

  /** A client of the gateway at "host:port", a gRPC target, or a URL as "https://stockroom.example". */
  public static StockroomClient connect(String address, Options options) {
    Address parsed = Address.parse(address);
    var channel =
        Grpc.newChannelBuilder(parsed.target(), credentials(parsed.secure(), options))
            .defaultServiceConfig(serviceConfig())
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS)
            .build();
    return new StockroomClient(channel, options);
  }

  public SearchServiceGrpc.SearchServiceBlockingStub search() {
    return SearchServiceGrpc.newBlockingStub(intercepted);
  }

  public ProductServiceGrpc.ProductServiceBlockingStub products() {
    return ProductServiceGrpc.newBlockingStub(intercepted);
  }

  public BrowseServiceGrpc.BrowseServiceBlockingStub browse() {
    return BrowseServiceGrpc.newBlockingStub(intercepted);
  }

  public AdminServiceGrpc.AdminServiceBlockingStub admin() {
    return AdminServiceGrpc.newBlockingStub(intercepted);
  }

  /** The channel with the token and the default deadline, for other kinds of stubs. */
  public io.grpc.Channel channel() {
    return intercepted;
  }

  /** The pages of a search, until the last one. A page is requested when the stream reaches it. */
  public Stream<SearchProductsResponse> searchPages(SearchProductsRequest request) {
    return Stream.iterate(
        search().searchProducts(request),
        Objects::nonNull,
        page ->
            page.getNextPageToken().isEmpty()
                ? null
                : search().searchProducts(request.toBuilder().setPageToken(page.getNextPageToken()).build()));
  }

  /** Makes a call, and throws a {@link StockroomException} where it fails. */
  public static <T> T call(Supplier<T> call) {
    try {
      return call.get();
    } catch (StatusRuntimeException error) {
      throw StockroomException.from(error);
    }
  }

  /** Closes the connection. Calls in flight have five seconds to end. */
  @Override
  public void close() {
    channel.shutdown();
    try {
      if (!channel.awaitTermination(5, TimeUnit.SECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException interrupted) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  private static ChannelCredentials credentials(boolean secure, Options options) {
    if (!secure && options.caFile() == null && options.certFile() == null) {
      return InsecureChannelCredentials.create();
    }
    try {
      var tls = TlsChannelCredentials.newBuilder();
      if (options.caFile() != null) {
        tls.trustManager(options.caFile());
      }
      if (options.certFile() != null) {
        tls.keyManager(options.certFile(), options.keyFile());
      }
      return tls.build();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static Map<String, ?> serviceConfig() {
    var file = StockroomClient.class.getResourceAsStream("service-config.json");
    try (var reader = new InputStreamReader(Objects.requireNonNull(file), StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, new TypeToken<Map<String, ?>>() {}.getType());
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }
}
