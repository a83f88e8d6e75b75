import io.grpc.Context;
import io.grpc.Status;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import stockroom.client.StockroomClient;
import stockroom.client.StockroomClient.Options;
import stockroom.client.StockroomException;
import stockroom.v1.CompareProductsRequest;
import stockroom.v1.ErrorReason;
import stockroom.v1.GetProductsRequest;
import stockroom.v1.SearchProductsRequest;
import stockroom.v1.SearchQuery;

/** Checks the Java client against live gateways; clients/conformance/run starts them. */
final class Conformance {
  private interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) {
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("search", Conformance::search);
    checks.put("pages", Conformance::pages);
    checks.put("batch", Conformance::batch);
    checks.put("compare", Conformance::compare);
    checks.put("refusal", Conformance::refusal);
    checks.put("busy", Conformance::busy);
    checks.put("deadline", Conformance::deadline);
    checks.put("cancel", Conformance::cancel);
    checks.put("token", Conformance::token);
    checks.put("tls", Conformance::tls);
    checks.put("restart", Conformance::restart);
    int failed = 0;
    for (var check : checks.entrySet()) {
      try {
        check.getValue().run();
        System.out.println("ok " + check.getKey());
      } catch (Exception | AssertionError why) {
        failed = 1;
        System.out.println("FAILED " + check.getKey() + ": " + why);
      }
    }
    System.exit(failed);
  }

  private static StockroomClient connect(String variable, Options options) {
    return StockroomClient.connect(System.getenv(variable), options);
  }

  private static StockroomClient connect(String variable) {
    return connect(variable, Options.defaults());
  }

  private static SearchProductsRequest query(String keywords) {
    return SearchProductsRequest.newBuilder().setQuery(SearchQuery.newBuilder().setKeywords(keywords)).build();
  }

  private static void expect(boolean holds, Object what) {
    if (!holds) {
      throw new AssertionError(String.valueOf(what));
    }
  }

  private static StockroomException failure(Supplier<?> call) {
    try {
      StockroomClient.call(call);
    } catch (StockroomException error) {
      return error;
    }
    throw new AssertionError("the call succeeded");
  }

  private static void search() {
    for (String prefix : List.of("", "http://")) {
      try (var client = StockroomClient.connect(prefix + System.getenv("STOCKROOM_SERVER"))) {
        var products = client.search().searchProducts(query("wireless headphones")).getProductsList();
        expect(products.size() == 10 && !products.get(0).getProduct().getInfo().getTitle().isEmpty(), products);
      }
    }
  }

  private static void pages() {
    try (var client = connect("STOCKROOM_SERVER")) {
      var pages = client.searchPages(query("wireless headphones")).collect(Collectors.toList());
      var asins = new HashSet<String>();
      pages.forEach(page -> page.getProductsList().forEach(entry -> asins.add(entry.getProduct().getAsin())));
      long total = pages.get(0).getTotalResults();
      expect(total > 10 && asins.size() == Math.min(total, 100), asins.size() + " of " + total);
    }
  }

  private static void batch() {
    try (var client = connect("STOCKROOM_SERVER")) {
      var request = GetProductsRequest.newBuilder().addAllAsins(List.of("B0SBHEAD01", "not an ASIN", "B0SBNOBODY"));
      var outcomes = client.products().getProducts(request.build()).getOutcomesList();
      var cases = outcomes.stream().map(outcome -> outcome.getResultCase().name()).toList();
      expect(cases.equals(List.of("ENTRY", "ABSENCE", "ABSENCE")), cases);
    }
  }

  private static void compare() {
    try (var client = connect("STOCKROOM_SERVER")) {
      var request = CompareProductsRequest.newBuilder().addAllAsins(List.of("B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"));
      List<String> events = new ArrayList<>();
      client.products().compareProducts(request.build()).forEachRemaining(m -> events.add(m.getEventCase().name()));
      expect(events.get(events.size() - 1).equals("SUMMARY"), events);
      expect(events.stream().sorted().toList().equals(List.of("MISSING", "ROW", "ROW", "SUMMARY")), events);
    }
  }

  private static void refusal() {
    try (var plain = connect("STOCKROOM_SERVER"); var spent = connect("STOCKROOM_SPENT_SERVER")) {
      var request = query("lamp").toBuilder();
      request.getQueryBuilder().setCategory("no such category");
      var invalid = failure(() -> plain.search().searchProducts(request.build()));
      expect(invalid.code() == Status.Code.INVALID_ARGUMENT, invalid);
      expect(invalid.reason() == ErrorReason.ERROR_REASON_INVALID_REQUEST, invalid);
      expect(invalid.fields().containsKey("query.category") && invalid.requestId().isPresent(), invalid.fields());
      var exhausted = failure(() -> spent.search().searchProducts(query("lamp")));
      expect(exhausted.reason() == ErrorReason.ERROR_REASON_DAY_BUDGET_SPENT, exhausted);
      expect(exhausted.retryDelay().orElse(Duration.ZERO).compareTo(Duration.ZERO) > 0, exhausted.retryDelay());
    }
  }

  /** A call that waits longer than its deadline allows is refused at once, and the retry policy obeys the pushback. */
  private static void busy() {
    try (var client = connect("STOCKROOM_BUSY_SERVER", Options.defaults().withDeadline(Duration.ofSeconds(5)))) {
      var began = System.nanoTime();
      var refused = failure(() -> client.search().searchProducts(query("lamp")));
      System.out.println("refused after " + Duration.ofNanos(System.nanoTime() - began).toMillis() + " ms of 5 s");
      expect(refused.code() == Status.Code.UNAVAILABLE, refused);
      expect(refused.reason() == ErrorReason.ERROR_REASON_WAIT_EXCEEDS_DEADLINE, refused);
    }
  }

  private static void deadline() {
    try (var client = connect("STOCKROOM_SLOW_SERVER", Options.defaults().withDeadline(Duration.ofMillis(300)))) {
      var late = failure(() -> client.search().searchProducts(query("lamp")));
      expect(late.code() == Status.Code.DEADLINE_EXCEEDED, late);
    }
  }

  private static void cancel() throws Exception {
    var timer = Executors.newSingleThreadScheduledExecutor();
    try (var client = connect("STOCKROOM_SLOW_SERVER"); var context = Context.current().withCancellation()) {
      timer.schedule(() -> context.cancel(null), 100, TimeUnit.MILLISECONDS);
      var cancelled = context.call(() -> failure(() -> client.search().searchProducts(query("kettle"))));
      expect(cancelled.code() == Status.Code.CANCELLED, cancelled);
    } finally {
      timer.shutdownNow();
    }
  }

  private static void token() {
    var options = Options.defaults().withToken(System.getenv("STOCKROOM_TOKEN"));
    try (var with = connect("STOCKROOM_TOKEN_SERVER", options); var without = connect("STOCKROOM_TOKEN_SERVER")) {
      with.search().searchProducts(query("lamp"));
      var refused = failure(() -> without.search().searchProducts(query("lamp")));
      expect(refused.code() == Status.Code.UNAUTHENTICATED, refused);
    }
  }

  private static void tls() {
    var options = Options.defaults().withToken(System.getenv("STOCKROOM_TOKEN"));
    options = options.withCaFile(new File(System.getenv("STOCKROOM_CA_FILE")));
    try (var client = connect("STOCKROOM_TLS_SERVER", options)) {
      client.search().searchProducts(query("lamp"));
    }
  }

  private static void restart() throws Exception {
    try (var client = connect("STOCKROOM_RESTART_SERVER")) {
      expect(answeredOrUnavailable(client), "it does not answer");
      var request = HttpRequest.newBuilder(URI.create(System.getenv("STOCKROOM_RESTART_URL"))).build();
      var restarted = HttpClient.newHttpClient().sendAsync(request, HttpResponse.BodyHandlers.discarding());
      while (!restarted.isDone()) {
        answeredOrUnavailable(client);
        Thread.sleep(20);
      }
      restarted.get();
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
      while (!answeredOrUnavailable(client)) {
        expect(System.nanoTime() < until, "it does not answer again");
        Thread.sleep(100);
      }
    }
  }

  private static boolean answeredOrUnavailable(StockroomClient client) {
    try {
      return StockroomClient.call(() -> client.search().searchProducts(query("lamp"))).getProductsCount() > 0;
    } catch (StockroomException error) {
      expect(error.code() == Status.Code.UNAVAILABLE, error);
      return false;
    }
  }
}
