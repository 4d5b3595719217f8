/** `wirescript balancer explain`: where a connection's packets go, and why. */
import type { FlowAnswer } from "../../../balancer/contract.ts";
import { oneLine, paint, say, sayJson } from "../../terminal.ts";
import { Api, type ApiOptions } from "./api.ts";
import { parseConnection } from "./target.ts";

export async function explain(connection: string, options: ApiOptions): Promise<void> {
  const { protocol, client, clientPort, address, port } = parseConnection(connection);
  const query = new URLSearchParams({ protocol, client, clientPort: `${clientPort}`, address, port: `${port}` });
  const answer = await new Api(options).ask<FlowAnswer>("GET", `/flows?${query}`);
  if (options.json === true) return sayJson(answer);
  for (const step of answer.steps) say(oneLine(step));
  const { service, backend } = answer;
  const result = service === null ? "no service" : backend === null ? `${service}, no backend` : `${service}/${backend}`;
  say(paint("bold", `→ ${oneLine(result)}`));
}
