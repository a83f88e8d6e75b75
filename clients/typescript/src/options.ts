// The options of a client, and the URL that an address stands for.

export const DEFAULT_DEADLINE_MS = 10_000;

export interface ConnectOptions {
  /** The bearer token of a caller that the gateway knows. */
  token?: string;
  /** The deadline of calls without `timeoutMs`. Default: 10 seconds. */
  deadlineMs?: number;
}

/** The base URL of "host:port" or of a URL. */
export function baseUrl(address: string, secure: boolean): string {
  const text = /^https?:\/\//.test(address) ? address : `${secure ? "https" : "http"}://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.pathname !== "/" || url.search || url.hash) {
    throw new TypeError(`${JSON.stringify(address)} is neither host:port nor the URL of a gateway`);
  }
  return url.origin;
}
