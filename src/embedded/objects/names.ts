const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedNamePattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const configKeyPattern = /^[-._a-zA-Z0-9]+$/;

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const qualifiedNameText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const configKeyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/**
 * Returns what is wrong with a name, in the words of the real server. Returns `undefined` for a
 * valid name.
 */
export type NameCheck = (name: string) => string | undefined;

/** Checks names of pods, config maps and most other objects. */
export const checkSubdomain: NameCheck = (name) => {
  if (name.length > 253) return 'must be no more than 253 bytes';
  return subdomainPattern.test(name) ? undefined : subdomainText;
};

/** Checks names of namespaces, containers and pod volumes. */
export const checkDnsLabel: NameCheck = (name) => {
  if (name.length > 63) return 'must be no more than 63 bytes';
  return labelPattern.test(name) ? undefined : labelText;
};

/**
 * Checks keys of labels and annotations: a name of at most 63 characters, with an optional DNS
 * prefix.
 */
export const checkQualifiedName: NameCheck = (name) => {
  const parts = name.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) return `a valid label key ${qualifiedNameText}`;
  if (second !== undefined) {
    const prefix = first === '' ? 'prefix part must be non-empty' : checkSubdomain(first);
    if (prefix !== undefined) return first === '' ? prefix : `prefix part ${prefix}`;
  }
  const base = second ?? first;
  if (base === '') return 'name part must be non-empty';
  if (base.length > 63) return 'name part must be no more than 63 bytes';
  return qualifiedNamePattern.test(base) ? undefined : qualifiedNameText;
};

export const checkLabelValue: NameCheck = (value) => {
  if (value.length > 63) return 'must be no more than 63 bytes';
  return labelValuePattern.test(value) ? undefined : labelValueText;
};

/** Checks keys of config maps and secrets. */
export const checkConfigKey: NameCheck = (key) => {
  if (key.length > 253) return 'must be no more than 253 bytes';
  if (key === '.' || key === '..') return `must not be '${key}'`;
  return configKeyPattern.test(key) ? undefined : configKeyText;
};

/** Checks names of environment variables: any printable ASCII characters except `=`. */
export const checkEnvName: NameCheck = (name) => {
  return /^[ -<>-~]+$/.test(name)
    ? undefined
    : "a valid environment variable name must consist only of printable ASCII characters other than '='";
};
