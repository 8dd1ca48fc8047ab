import { expect } from 'chai';

import { runDemo } from '../../support/demo.ts';

describe('the demo', () => {
  it('runs the pipeline on the embedded cluster, prints plain lines, and leaves nothing', async () => {
    const { status, stdout, stderr } = await runDemo([]);
    expect(status, `${stdout}\n${stderr}`).to.equal(0);
    expect(stdout).to.not.match(/NOT OK|\x1b|\r/);
    expect(stdout).to.match(/ok +0 pods are left\n +ok +0 rows are left\n\ndone/);
    expect(stdout.match(/^ {2}ok /gm)).to.have.length(9);
  });

  it('releases everything and exits with 1 when it is interrupted', async () => {
    let interrupted = false;
    const { status, stdout, stderr } = await runDemo([], (text, kill) => {
      if (!interrupted && text.includes('\ntask ')) kill('SIGINT');
      interrupted ||= text.includes('\ntask ');
    });
    expect(status).to.equal(1);
    expect(stderr).to.equal('interrupted by SIGINT\n');
    expect(stdout).to.match(/ok +0 pods are left\n +ok +0 rows are left\n$/);
  });

  it('reports an invalid command line, kubeconfig or database', async () => {
    const [wrong, noUrl, noFile, noDatabase] = await Promise.all(
      [
        ['--no-such-option'],
        ['--database', 'user:secret@db'],
        ['--kubeconfig', '/no/such/file'],
        ['--database', 'postgres://user:secret@127.0.0.1:1/none'],
      ].map(async (args) => await runDemo(args)),
    );
    expect(wrong).to.include({ status: 2 });
    expect(wrong!.stderr).to.include("'--no-such-option'").and.to.include('Usage: ');
    expect(noUrl).to.include({ status: 2 });
    expect(noUrl!.stderr)
      .to.match(/^--database is not a URL of the form postgres:\/\//)
      .and.to.not.include('secret');
    expect(noFile).to.include({ status: 1 });
    expect(noFile!.stderr).to.include('/no/such/file');
    expect(noDatabase).to.include({ status: 1 });
    expect(noDatabase!.stderr)
      .to.match(/^database unavailable: /)
      .and.to.not.include('secret');
  });
});
