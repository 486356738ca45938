// Client settings by the way they take: as the environment says, through CONNECT, or to an endpoint.

import { NodeHttpHandler } from "@smithy/node-http-handler";
import hpagent from "hpagent";

const region = "us-east-1";
const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

/** Goes through a proxy, trusting `ca` besides what node does. */
export function agent(proxy, ca) {
  return new hpagent.HttpsProxyAgent({ proxy, ca, keepAlive: true });
}

/** As a program does that reads HTTPS_PROXY, which the SDK does not by itself. */
export function asTheEnvironmentSays(proxy = process.env.HTTPS_PROXY) {
  return proxy ? { region, requestHandler: new NodeHttpHandler({ httpsAgent: agent(proxy) }) } : { region };
}

/** To AWS's own names through Squall's CONNECT. */
export function through({ url, certificate }) {
  return { region, credentials, requestHandler: new NodeHttpHandler({ httpsAgent: agent(url, certificate) }) };
}

/** With this endpoint: the emulator itself, or Squall. */
export function at(endpoint) {
  return { region, credentials, endpoint };
}
