export * from "./address.ts";
export * from "./events.ts";
export * from "./link.ts";
export * from "./namespace-id.ts";
export * from "./neighbour.ts";
export * from "./route.ts";
export * from "./tc.ts";
export * from "./xdp.ts";
