// Client settings by what the environment says: the proxy in HTTPS_PROXY, which the SDK does not read by itself, or nothing special.

import { NodeHttpHandler } from "@smithy/node-http-handler";
import hpagent from "hpagent";

/** Goes through the proxy, if there is one. */
export function agent(proxy = process.env.HTTPS_PROXY) {
  return proxy && new hpagent.HttpsProxyAgent({ proxy, keepAlive: true });
}

export function settings(proxy = process.env.HTTPS_PROXY) {
  const common = { region: "us-east-1" };
  return proxy ? { ...common, requestHandler: new NodeHttpHandler({ httpsAgent: agent(proxy) }) } : common;
}
