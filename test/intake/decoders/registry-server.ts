import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the registry answers: with schemas, with a status (and a body), not at all, or by breaking off. */
export type Mood = 'well' | 'silent' | 'broken' | { readonly status: number; readonly body?: string };

/** A small schema registry: `/schemas/ids/{id}` and `/subjects/{subject}/versions/{version}`. */
export class RegistryServer {
  mood: Mood = 'well';
  requests: string[] = [];
  authorization: string | undefined;
  readonly #schemas: Readonly<Record<string, object>>;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  /** By path: `/schemas/ids/1`. */
  constructor(schemas: Readonly<Record<string, object>>) {
    this.#schemas = schemas;
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // The library sends the reference's name as a query, which registries ignore.
    const path = new URL(request.url ?? '/', 'http://registry').pathname;
    this.requests.push(path);
    this.authorization = request.headers.authorization;
    const json = (status: number, body: string): void => {
      response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' }).end(body);
    };
    if (this.mood === 'silent') return;
    if (this.mood === 'broken') {
      response.writeHead(200, { 'content-length': '1000' }).write('{"schema":', () => response.destroy());
    } else if (this.mood === 'well') {
      const schema = this.#schemas[path];
      if (schema) json(200, JSON.stringify(schema));
      else json(404, '{"error_code":40403,"message":"Schema not found"}');
    } else json(this.mood.status, this.mood.body ?? '{"error_code":50001,"message":"Error in the backend"}');
  }
}
