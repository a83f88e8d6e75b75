package stockroom.client;

import java.net.URI;

/** The gRPC target of an address, and whether the address is an https URL. */
record Address(String target, boolean secure) {
  static Address parse(String address) {
    if (!address.startsWith("http://") && !address.startsWith("https://")) {
      if (address.isEmpty()) {
        throw new IllegalArgumentException("the address is empty");
      }
      return new Address(address, false);
    }
    URI url = URI.create(address);
    String path = url.getPath();
    if (url.getHost() == null || !(path == null || path.isEmpty() || path.equals("/"))) {
      throw new IllegalArgumentException(address + " is not the URL of a gateway");
    }
    boolean secure = url.getScheme().equals("https");
    int port = url.getPort() >= 0 ? url.getPort() : secure ? 443 : 80;
    return new Address(url.getHost() + ":" + port, secure);
  }
}
