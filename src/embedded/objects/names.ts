const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;

const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const KEY_TEXT =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/** What is wrong with a name, as the real server words it; `undefined` where nothing is. */
export type NameCheck = (name: string) => string | undefined;

/** Names of pods, config maps and most other objects. */
export const checkSubdomain: NameCheck = (name) => {
  if (name.length > 253) return 'must be no more than 253 bytes';
  return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_TEXT;
};

/** Names of namespaces, containers and pod volumes. */
export const checkDnsLabel: NameCheck = (name) => {
  if (name.length > 63) return 'must be no more than 63 bytes';
  return LABEL.test(name) ? undefined : LABEL_TEXT;
};

/** Keys of labels and annotations: a name of at most 63 characters, with an optional DNS prefix. */
export const checkQualifiedName: NameCheck = (name) => {
  const parts = name.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) return `a valid label key ${QUALIFIED_TEXT}`;
  if (second !== undefined) {
    const prefix = first === '' ? 'prefix part must be non-empty' : checkSubdomain(first);
    if (prefix !== undefined) return first === '' ? prefix : `prefix part ${prefix}`;
  }
  const base = second ?? first;
  if (base === '') return 'name part must be non-empty';
  if (base.length > 63) return 'name part must be no more than 63 bytes';
  return QUALIFIED_NAME.test(base) ? undefined : QUALIFIED_TEXT;
};

export const checkLabelValue: NameCheck = (value) => {
  if (value.length > 63) return 'must be no more than 63 bytes';
  return LABEL_VALUE.test(value) ? undefined : VALUE_TEXT;
};

/** Keys of config maps and secrets. */
export const checkConfigKey: NameCheck = (key) => {
  if (key.length > 253) return 'must be no more than 253 bytes';
  if (key === '.' || key === '..') return `must not be '${key}'`;
  return CONFIG_KEY.test(key) ? undefined : KEY_TEXT;
};

/** Names of environment variables: anything printable without `=`. */
export const checkEnvName: NameCheck = (name) => {
  return /^[ -<>-~]+$/.test(name)
    ? undefined
    : "a valid environment variable name must consist only of printable ASCII characters other than '='";
};
