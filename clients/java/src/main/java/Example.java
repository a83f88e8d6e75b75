import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.concurrent.TimeUnit;
import stockroom.v1.SearchProductsRequest;
import stockroom.v1.SearchQuery;
import stockroom.v1.SearchServiceGrpc;

/**
 * Searches Stockroom for its arguments, prints the titles, and reads an error.
 *
 * <p>The gateway is looked for at STOCKROOM_SERVER, or on port 50051 of this machine.
 */
final class Example {
  public static void main(String[] args) throws InterruptedException, InvalidProtocolBufferException {
    String words = args.length == 0 ? "wireless headphones" : String.join(" ", args);
    String address = System.getenv().getOrDefault("STOCKROOM_SERVER", "127.0.0.1:50051");
    ManagedChannel channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    try {
      var service = SearchServiceGrpc.newBlockingStub(channel);
      search(service, SearchQuery.newBuilder().setKeywords(words).build());
      search(service, SearchQuery.newBuilder().setKeywords(words).setCategory("no such category").build());
    } finally {
      channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static void search(SearchServiceGrpc.SearchServiceBlockingStub service, SearchQuery query)
      throws InvalidProtocolBufferException {
    try {
      var request = SearchProductsRequest.newBuilder().setQuery(query).build();
      var found = service.withDeadlineAfter(10, TimeUnit.SECONDS).searchProducts(request);
      for (var entry : found.getProductsList()) {
        System.out.println(entry.getProduct().getAsin() + " " + entry.getProduct().getInfo().getTitle());
      }
    } catch (StatusRuntimeException refused) {
      System.out.println(refused.getMessage());
      for (Any detail : StatusProto.fromThrowable(refused).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          System.out.println("  " + detail.unpack(ErrorInfo.class).getReason());
        } else if (detail.is(BadRequest.class)) {
          for (var fault : detail.unpack(BadRequest.class).getFieldViolationsList()) {
            System.out.println("  " + fault.getField() + ": " + fault.getDescription());
          }
        }
      }
    }
  }
}
