// Checks the TypeScript client against live gateways; clients/conformance/run starts them.
//
//     node conformance.mjs [PROTOCOL]
//
// gRPC and Connect over HTTP/2 by the client for Node; gRPC-Web and Connect over HTTP/1.1 by the client for browsers, whose
// fetch Node has as well.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { Code } from "@connectrpc/connect";
import { connect as connectNode, ErrorReason, StockroomError } from "stockroom-client/node";
import { connect as connectWeb } from "stockroom-client/web";

const connect = {
  "grpc": connectNode,
  "connect-http2": (address, options) => connectNode(address, { ...options, protocol: "connect" }),
  "grpc-web": connectWeb,
  "connect": (address, options) => connectWeb(address, { ...options, protocol: "connect" }),
}[process.argv[2] ?? "grpc"];
const env = process.env;
const lamp = { query: { keywords: "lamp" } };
const headphones = { query: { keywords: "wireless headphones" } };

async function failure(promise) {
  const error = await promise.then(
    () => assert.fail("the call succeeded"),
    (error) => error,
  );
  assert(error instanceof StockroomError, String(error));
  return error;
}

async function answeredOrUnavailable(client) {
  try {
    return (await client.search.searchProducts(lamp)).products.length > 0;
  } catch (error) {
    assert(error instanceof StockroomError && error.code === Code.Unavailable, String(error));
    return false;
  }
}

const checks = {
  async search() {
    for (const prefix of ["", "http://"]) {
      const { products } = await connect(prefix + env.STOCKROOM_SERVER).search.searchProducts(headphones);
      assert(products.length === 10 && products[0].product.info.title);
    }
  },
  async pages() {
    const asins = new Set();
    let total;
    for await (const page of connect(env.STOCKROOM_SERVER).searchPages(headphones)) {
      total = Number(page.totalResults);
      for (const { product } of page.products) asins.add(product.asin);
    }
    assert(total > 10 && asins.size === Math.min(total, 100), `${asins.size} of ${total}`);
  },
  async batch() {
    const request = { asins: ["B0SBHEAD01", "not an ASIN", "B0SBNOBODY"] };
    const { outcomes } = await connect(env.STOCKROOM_SERVER).products.getProducts(request);
    assert.deepEqual(outcomes.map(({ result }) => result.case), ["entry", "absence", "absence"]);
  },
  async compare() {
    const events = [];
    const request = { asins: ["B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"] };
    for await (const { event } of connect(env.STOCKROOM_SERVER).products.compareProducts(request)) {
      events.push(event.case);
    }
    assert.equal(events.at(-1), "summary");
    assert.deepEqual(events.sort(), ["missing", "row", "row", "summary"]);
  },
  async refusal() {
    const search = { query: { keywords: "lamp", category: "no such category" } };
    const invalid = await failure(connect(env.STOCKROOM_SERVER).search.searchProducts(search));
    assert.equal(invalid.code, Code.InvalidArgument);
    assert.equal(invalid.reason, ErrorReason.INVALID_REQUEST);
    assert(invalid.fields.has("query.category") && invalid.requestId);
    const spent = await failure(connect(env.STOCKROOM_SPENT_SERVER).search.searchProducts(lamp));
    assert.equal(spent.reason, ErrorReason.DAY_BUDGET_SPENT);
    assert(spent.retryDelayMs > 0);
  },
  // A call that waits longer than its deadline allows is refused at once, and the retry policy obeys the pushback.
  async busy() {
    const client = connect(env.STOCKROOM_BUSY_SERVER, { deadlineMs: 5000 });
    const began = performance.now();
    const refused = await failure(client.search.searchProducts(lamp));
    console.log(`refused after ${Math.round(performance.now() - began)} ms of 5 s`);
    assert.equal(refused.code, Code.Unavailable);
    assert.equal(refused.reason, ErrorReason.WAIT_EXCEEDS_DEADLINE);
  },
  async deadline() {
    const client = connect(env.STOCKROOM_SLOW_SERVER, { deadlineMs: 300 });
    assert.equal((await failure(client.search.searchProducts(lamp))).code, Code.DeadlineExceeded);
  },
  async cancel() {
    const signal = AbortSignal.timeout(100);
    const call = connect(env.STOCKROOM_SLOW_SERVER).search.searchProducts({ query: { keywords: "kettle" } }, { signal });
    assert([Code.Canceled, Code.DeadlineExceeded].includes((await failure(call)).code));
  },
  async token() {
    await connect(env.STOCKROOM_TOKEN_SERVER, { token: env.STOCKROOM_TOKEN }).search.searchProducts(lamp);
    const refused = await failure(connect(env.STOCKROOM_TOKEN_SERVER).search.searchProducts(lamp));
    assert.equal(refused.code, Code.Unauthenticated);
  },
  async tls() {
    const tls = { ca: readFileSync(env.STOCKROOM_CA_FILE) };
    await connect(env.STOCKROOM_TLS_SERVER, { token: env.STOCKROOM_TOKEN, tls }).search.searchProducts(lamp);
  },
  async restart() {
    const client = connect(env.STOCKROOM_RESTART_SERVER);
    assert(await answeredOrUnavailable(client));
    let underWay = true;
    const restarted = fetch(env.STOCKROOM_RESTART_URL).finally(() => (underWay = false));
    while (underWay) {
      await answeredOrUnavailable(client);
      await sleep(20);
    }
    assert((await restarted).ok);
    const until = Date.now() + 15_000;
    while (!(await answeredOrUnavailable(client))) {
      assert(Date.now() < until, "it does not answer again");
      await sleep(100);
    }
  },
};

let failed = false;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log("ok", name);
  } catch (error) {
    failed = true;
    console.log(`FAILED ${name}: ${error}`);
  }
}
process.exit(failed ? 1 : 0);
