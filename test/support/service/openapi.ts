import { readFile } from 'node:fs/promises';

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface ResponseObject {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly responses: Readonly<Record<string, ResponseObject>>; readonly schemas: object };
}

/** A response as the description of the API sees it. */
export interface SeenResponse {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

/** The description of the API, `docs/openapi.yaml`. */
export class OpenApi {
  readonly document: Document;
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<object, ValidateFunction>();

  static #loaded: Promise<OpenApi> | undefined;

  /** Returns the description, which is read once. */
  static async load(): Promise<OpenApi> {
    OpenApi.#loaded ??= OpenApi.#read();
    return await OpenApi.#loaded;
  }

  static async #read(): Promise<OpenApi> {
    const path = new URL('../../../docs/openapi.yaml', import.meta.url);
    return new OpenApi(parse(await readFile(path, 'utf8')) as Document);
  }

  private constructor(document: Document) {
    this.document = document;
    this.#ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
    addFormats.default(this.#ajv);
    this.#ajv.addKeyword('components');
    this.#ajv.addSchema({ $id: 'openapi', components: document.components }, 'openapi');
  }

  /** Returns the paths of all operations. */
  get paths(): readonly string[] {
    return Object.keys(this.document.paths);
  }

  /** Returns what is wrong with a response to `GET` of a path, which may have parameters. */
  problems(path: string, { status, type, body }: SeenResponse): readonly string[] {
    const declared = this.#responseOf(path, status);
    if (declared === undefined) return [`${path}: no response ${status}`];
    const content = declared.content?.[type.split(';')[0] ?? ''];
    if (declared.content === undefined) return body === '' ? [] : [`${path}: ${status} has a body`];
    if (content === undefined) return [`${path}: ${status} has no content of type ${type}`];
    const validate = this.#validatorOf(content.schema);
    return validate(body) ? [] : (validate.errors ?? []).map((e) => `${path}: ${e.instancePath} ${e.message ?? ''}`);
  }

  #responseOf(path: string, status: number): ResponseObject | undefined {
    const declared = this.document.paths[path]?.get.responses[String(status)];
    const name = declared?.$ref?.split('/').at(-1);
    return name === undefined ? declared : this.document.components.responses[name];
  }

  #validatorOf(schema: object): ValidateFunction {
    const known = this.#validators.get(schema);
    if (known !== undefined) return known;
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')) as object;
    const made = this.#ajv.compile(absolute);
    this.#validators.set(schema, made);
    return made;
  }
}
