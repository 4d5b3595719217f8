/** What the balancer says of itself, in structured logs: pino's form. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: Logger = { info: () => {}, warn: () => {}, error: () => {} };
