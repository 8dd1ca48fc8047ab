import type { S3Module } from '../../../src/stores/s3/sdk-client.ts';

/** A request to the scripted client. */
export interface SentRequest {
  /** The name of the command, such as `PutObject`. */
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Returns the output of a request, or throws an error of the SDK. */
export type Answer = (request: SentRequest) => unknown;

/** The module of the AWS SDK with a client whose answers a test scripts. */
export class ScriptedS3 {
  readonly requests: SentRequest[] = [];
  /** The configurations of the clients that were created. */
  readonly configs: Record<string, unknown>[] = [];
  answer: Answer = () => ({});

  readonly load = async (): Promise<S3Module> => {
    const { requests, configs } = this;
    const send = async (request: SentRequest): Promise<unknown> => {
      requests.push(request);
      return this.answer(request);
    };
    class S3Client {
      readonly config: Record<string, unknown>;
      readonly #credentials: () => Promise<unknown>;
      constructor(config: Record<string, unknown>) {
        configs.push(config);
        const { credentials: provider = async () => ({ accessKeyId: 'id' }) } = config;
        let identity: Promise<unknown> | undefined;
        // A client keeps the credentials of its first request.
        this.#credentials = async () => await (identity ??= (provider as () => Promise<unknown>)());
        this.config = { ...config, credentials: this.#credentials, region: async () => 'region' };
      }
      async send(request: SentRequest): Promise<unknown> {
        await this.#credentials();
        return await send(request);
      }
    }
    const commandOf = (name: string) =>
      class implements SentRequest {
        readonly name = name.replace(/Command$/, '');
        readonly input: SentRequest['input'];
        constructor(input: SentRequest['input']) {
          this.input = input;
        }
      };
    const exported = (_: object, name: string | symbol): unknown => {
      // A promise that resolves with the module asks for it.
      if (name === 'then') return undefined;
      return name === 'S3Client' ? S3Client : commandOf(String(name));
    };
    return new Proxy({}, { get: exported }) as S3Module;
  };

  /** The names of the requests. */
  get names(): readonly string[] {
    return this.requests.map(({ name }) => name);
  }
}

/** Returns an error as the SDK rejects with it. */
export function s3Failure(name: string, httpStatusCode: number): Error {
  const error = Object.assign(new Error(name), { $metadata: { httpStatusCode, requestId: 'REQUEST-1' } });
  error.name = name;
  return error;
}
