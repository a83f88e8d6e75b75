// The page that browser.mjs opens: what a browser gets through gRPC-Web and through Connect's JSON. Each line of its report is
// "ok CHECK" or "FAILED CHECK: why".

import { connect, ErrorReason } from "stockroom-client/web";

const gateway = new URLSearchParams(location.search).get("gateway");

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

async function failure(promise) {
  return promise.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error) => error,
  );
}

const checks = {
  async search({ search }) {
    const { products } = await search.searchProducts({ query: { keywords: "wireless headphones" } });
    expect(products.length === 10 && products[0].product.info.title, `${products.length} products`);
    return products[0].product.info.title;
  },
  async stream({ products }) {
    const events = [];
    for await (const { event } of products.compareProducts({ asins: ["B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"] })) {
      events.push(event.case);
    }
    expect(events.at(-1) === "summary" && events.length === 4, events.join());
  },
  async error({ products }) {
    const error = await failure(products.getProduct({ asin: "no ASIN" }));
    expect(error.reason === ErrorReason.INVALID_REQUEST && error.fields.has("asin") && error.requestId, String(error));
  },
};

const lines = [];
for (const protocol of ["grpc-web", "connect"]) {
  for (const [name, check] of Object.entries(checks)) {
    const found = await check(connect(gateway, { protocol })).then(
      (found) => `ok ${protocol} ${name}${found ? `: ${found}` : ""}`,
      (error) => `FAILED ${protocol} ${name}: ${error}`,
    );
    lines.push(found);
  }
}
document.body.textContent = lines.join("\n");
await fetch("report", { method: "POST", body: lines.join("\n") });
