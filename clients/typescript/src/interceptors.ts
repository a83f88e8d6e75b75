// What every call gets: the token, and retries as the shared service config says. The gateway's
// `grpc-retry-pushback-ms` wins over the backoff: a time to wait, or anything else for no retry (gRFC A6).

import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

import { serviceConfig } from "./service-config.js";

const policy = serviceConfig.methodConfig[0].retryPolicy;

export function interceptors(token?: string): Interceptor[] {
  return [...(token ? [bearer(token)] : []), retrying];
}

const bearer = (token: string): Interceptor => (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};

const retrying: Interceptor = (next) => async (request) => {
  // Only calls without side effects are made again, and no stream that may have begun.
  const mayRetry = !request.stream && request.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const { code, metadata } = ConnectError.from(error);
      const pushback = metadata.get("grpc-retry-pushback-ms");
      const forbidden = pushback !== null && !/^\d+$/.test(pushback);
      const unavailable = code === Code.Unavailable && !forbidden;
      if (!mayRetry || !unavailable || attempt >= policy.maxAttempts || request.signal.aborted) throw error;
      await pause(pushback === null ? backoff(attempt) : Number(pushback), request.signal);
    }
  }
};

/** Milliseconds before the attempt that follows, with jitter. */
function backoff(attempt: number): number {
  const backoff = seconds(policy.initialBackoff) * policy.backoffMultiplier ** (attempt - 1);
  return Math.min(backoff, seconds(policy.maxBackoff)) * 1000 * Math.random();
}

const seconds = (text: string) => Number.parseFloat(text);

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
