import { Ajv2020 } from 'ajv/dist/2020.js';
import { makeDocument } from '../../orchestrator/api/openapi.ts';
import { ROUTES } from '../../orchestrator/api/routes.ts';

/** What a server answered to a call. */
export interface SeenAnswer {
  readonly method: string;
  readonly pathname: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: 'path' | 'query' }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;

export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** As much of a schema as tests look into. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

const ID = 'keelson';

/** As a server sends it. */
export const API_DOCUMENT = JSON.parse(JSON.stringify(makeDocument(ROUTES))) as ApiDocument;

const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: true });
for (const word of ['openapi', 'info', 'servers', 'paths', 'components']) ajv.addKeyword(word);
ajv.addSchema({ $id: ID, ...API_DOCUMENT });

/** Why `value` is not what the schema at `pointer` of the document says; undefined when it is. */
export function whyInvalid(pointer: readonly string[], value: unknown): string | undefined {
  const parts = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'));
  const validate = ajv.getSchema(`${ID}#/${parts.map(encodeURIComponent).join('/')}`);
  if (validate === undefined) return `nothing at ${pointer.join(' ')} of the document`;
  return validate(value) === true ? undefined : ajv.errorsText(validate.errors);
}

/** Why an answer is none that the document describes; undefined when it is one. */
export function whyUndocumented(answer: SeenAnswer): string | undefined {
  const { method, pathname, status, contentType, body } = answer;
  const [type = ''] = contentType.split(';');
  const path = pathOf(method, pathname);
  // What is no call is refused like any other.
  if (path === undefined) {
    return whyInvalid(['components', 'schemas', 'Error'], JSON.parse(body));
  }
  const content = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content'];
  const known = API_DOCUMENT.paths[path]?.[method.toLowerCase()]?.responses[status]?.content[type];
  if (known === undefined) return `${status} with ${type} is not described`;
  if (type !== 'application/json') return undefined;
  return whyInvalid([...content, type, 'schema'], JSON.parse(body));
}

/** The path of the document that a call goes to. */
function pathOf(method: string, pathname: string): string | undefined {
  const parts = pathname.split('/');
  return Object.entries(API_DOCUMENT.paths)
    .filter(([, operations]) => operations[method.toLowerCase()] !== undefined)
    .map(([path]) => path)
    .find((path) => {
      const pattern = path.split('/');
      const isMatch = (part: string, index: number) => {
        return part === parts[index] || (part.startsWith('{') && parts[index] !== '');
      };
      return pattern.length === parts.length && pattern.every(isMatch);
    });
}
