import type { CertificateSet } from './server/certificates.ts';

interface KubeconfigRequest {
  readonly url: string;
  readonly namespace: string;
  readonly token: string;
  readonly certificates: CertificateSet;
}

/**
 * Returns a kubeconfig with two contexts: `embedded` (current, authenticates by token) and
 * `embedded-certificate` (authenticates by client certificate). The format is JSON, which is also
 * YAML.
 */
export function kubeconfigText({ url, namespace, token, certificates }: KubeconfigRequest): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const context = (name: string) => ({ name, context: { cluster: 'embedded', namespace, user: name } });
  const { client } = certificates;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'embedded', cluster: { server: url, 'certificate-authority-data': base64(certificates.authority) } },
    ],
    users: [
      { name: 'embedded', user: { token } },
      {
        name: 'embedded-certificate',
        user: { 'client-certificate-data': base64(client.certificate), 'client-key-data': base64(client.privateKey) },
      },
    ],
    contexts: [context('embedded'), context('embedded-certificate')],
    'current-context': 'embedded',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
