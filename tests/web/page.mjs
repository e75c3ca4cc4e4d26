// node page.mjs BROWSER FOLDER POCKET [SCREENSHOT.png]: opens the page in FOLDER in a headless Chromium, talks with it as
// a person would, and holds its answers to those in POCKET/expected.json, token by token. Needs nothing but node.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';

const [browser, ...paths] = process.argv.slice(2);
const [folder, pocket, screenshot] = paths.map((name) => path.resolve(name));  // the browser takes no others
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'carat-web-'));
const types = {html: 'text/html', js: 'text/javascript', wasm: 'application/wasm', json: 'application/json'};

const server = http.createServer((request, response) => {
    const name = request.url === '/' ? 'index.html' : path.basename(request.url);
    const file = path.join(folder, name);
    if (!fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
        'content-type': types[name.split('.').at(-1)] ?? 'application/octet-stream',
        'content-length': fs.statSync(file).size,
    });
    fs.createReadStream(file).pipe(response);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

// ---- the browser, spoken to through two pipes: JSON with a zero byte behind it

const chromium = spawn(browser, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--window-size=900,1100',
    `--user-data-dir=${scratch}/profile`, '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${pocket}/samples/question.wav%noloop`,
], {stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe']});
let complaints = '', pending = '', last = 0, over = false;
chromium.stderr.on('data', (text) => { complaints += text; });
chromium.on('exit', (code) => {
    if (!over) console.log(`${browser} ended with ${code}:\n${complaints}`), process.exit(1);
});
const calls = new Map();
chromium.stdio[4].on('data', (text) => {
    const messages = (pending + text).split('\0');
    pending = messages.pop();
    for (const message of messages.map((m) => JSON.parse(m))) {
        const call = calls.get(message.id);
        if (message.error) call?.failed(Error(message.error.message)); else call?.done(message.result);
    }
});
const send = (method, params = {}, sessionId = undefined) => new Promise((done, failed) => {
    calls.set(++last, {done, failed});
    chromium.stdio[3].write(JSON.stringify({id: last, method, params, sessionId}) + '\0');
});

const {targetId} = await send('Target.createTarget', {url: `http://127.0.0.1:${server.address().port}/`});
const {sessionId} = await send('Target.attachToTarget', {targetId, flatten: true});
const page = (method, params) => send(method, params, sessionId);
async function evaluate(expression) {
    const {result, exceptionDetails} = await page('Runtime.evaluate',
        {expression, awaitPromise: true, returnByValue: true, userGesture: true});
    if (exceptionDetails) throw Error(`${expression}: ${exceptionDetails.exception.description}`);
    return result.value;
}
async function until(condition, what) {
    for (const end = Date.now() + 60e3; Date.now() < end;) {
        const value = await evaluate(condition).catch(() => undefined);
        if (value) return value;
        await new Promise((done) => setTimeout(done, 20));
    }
    throw Error(`${what} took longer than a minute; the page says:\n${await evaluate('document.body.innerText')}`);
}

// ---- what a person does

const shown = '[...document.querySelectorAll("#shown > *")].length';
async function choose(...files) {
    const {root} = await page('DOM.getDocument');
    const {nodeId} = await page('DOM.querySelector', {nodeId: root.nodeId, selector: '#file'});
    await page('DOM.setFileInputFiles', {nodeId, files});
}
async function ask(text) {
    await evaluate('document.getElementById("text").focus()');
    await page('Input.insertText', {text});
    await evaluate('document.getElementById("send").click()');
}
const answered = () => until(`(() => {
    const bubble = [...document.querySelectorAll('.pocket')].at(-1);
    return bubble?.dataset.ids && {ids: JSON.parse(bubble.dataset.ids), rate: bubble.dataset.rate,
                                   text: bubble.firstChild.wholeText};
})()`, 'an answer');
const forget = () => evaluate('document.getElementById("again").click()');
const last_error = () => until('[...document.querySelectorAll(".error")].at(-1)?.textContent', 'an error');

let faults = 0;
function check(fine, what) {
    console.log(`${fine ? 'ok  ' : 'FAIL'}  ${what}`);
    if (!fine) ++faults;
}

/// A picture of one colour, as large as one likes, in a small file.
function png(width, height) {
    const crc = (bytes) => {
        let c = ~0;
        for (const b of bytes) for (let i = 0, x = (c ^ b) & 255; i <= 8; ++i)
            if (i === 8) c = (c >>> 8) ^ x; else x = x & 1 ? (x >>> 1) ^ 0xedb88320 : x >>> 1;
        return ~c >>> 0;
    };
    const chunk = (type, data) => {
        const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(8 + body.length);
        out.writeUInt32BE(data.length);
        body.copy(out, 4);
        out.writeUInt32BE(crc(body), 4 + body.length);
        return out;
    };
    const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);  // grey
    head.writeUInt32BE(width);
    head.writeUInt32BE(height, 4);
    return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head),
        chunk('IDAT', zlib.deflateSync(Buffer.alloc(height * (width + 1)))), chunk('IEND', Buffer.alloc(0))]);
}
/// A sound without samples.
function wav() {
    const head = Buffer.alloc(44);
    head.write('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data', 'latin1');
    return head;
}
const write = (name, bytes) => {
    fs.writeFileSync(path.join(scratch, name), bytes);
    return path.join(scratch, name);
};

// ---- the test

try {
    await until('!document.getElementById("ideas").hidden', 'loading');
    const expected = JSON.parse(fs.readFileSync(path.join(pocket, 'expected.json'), 'utf8'));
    const plain = ({messages, tools, enable_thinking}) => messages.length === 1 && !tools && !enable_thinking &&
        ![messages[0].content].flat().some((part) => part.type === 'video');
    for (const record of expected.filter(plain)) {
        await forget();
        const parts = [record.messages[0].content].flat();
        const files = parts.filter((part) => part.path).map((part) => path.join(pocket, part.path));
        if (files.length) await choose(...files);
        if (files.length) await until(`${shown} === ${files.length}`, 'decoding');
        const text = parts.map((part) => part.text ?? (part.path ? '' : part)).join('');
        await ask(text);
        const answer = await answered();
        const right = JSON.stringify(answer.ids) === JSON.stringify(record.steps[0].output_ids);
        check(right, `${record.id}: ${text} ${answer.text} (${Math.round(answer.rate)} tokens a second)`);
    }

    await forget();
    await ask('My name is Anna.');
    await answered();
    await ask('What is my name?');
    await until('document.querySelectorAll(".pocket:not(.busy)").length === 2', 'an answer');
    check((await answered()).text === 'Your name is Anna.', 'it remembers what was said');

    await evaluate('document.getElementById("microphone").click()');
    await until('document.getElementById("microphone").classList.contains("on")', 'the microphone');
    await new Promise((done) => setTimeout(done, 3000));
    await evaluate('document.getElementById("microphone").click()');
    await until(`${shown} === 1`, 'recording');
    await ask('Answer the question.');
    await until('document.querySelectorAll(".pocket:not(.busy)").length === 3', 'an answer');
    check((await answered()).text === 'The capital of France is Paris.', 'it hears the microphone');

    for (const [name, bytes, error] of [
        ['huge.png', png(8000, 8000), 'huge.png: 8000 by 8000 pixels, expected at most 33554432 in all'],
        ['text.png', Buffer.from('no picture'), 'text.png: the browser cannot decode this picture'],
        ['text.wav', Buffer.from('no sound'), 'text.wav: the browser cannot decode this sound'],
        ['empty.wav', wav(), 'empty.wav: '],
    ]) {
        await forget();
        await choose(write(name, bytes));
        await until(`${shown} > 0 || document.querySelector('.error')`, 'decoding');
        if (await evaluate(`${shown} > 0`)) await ask('What is this?');
        const text = await last_error();
        check(text.startsWith(error) && text.length > name.length + 10, `it says ${text}`);
    }
    await forget();
    await ask('What is the capital of France?');
    check((await answered()).text === 'The capital of France is Paris.', 'and goes on');

    if (screenshot) {
        await forget();
        for (const [file, text] of [[null, 'Tell me a story about a fox.'], ['shapes.png', 'Describe the image.'],
            ['question.wav', 'Answer the question.']]) {
            if (file) await choose(path.join(pocket, 'samples', file));
            if (file) await until(`${shown} === 1`, 'decoding');
            const before = await evaluate('document.querySelectorAll(".pocket:not(.busy)").length');
            await ask(text);
            await until(`document.querySelectorAll('.pocket:not(.busy)').length === ${before + 1}`, 'an answer');
        }
        const {data} = await page('Page.captureScreenshot');
        fs.writeFileSync(screenshot, Buffer.from(data, 'base64'));
    }
} catch (error) {
    check(false, error.message);
}
over = true;
await send('Browser.close').catch(() => {});
await new Promise((done) => chromium.on('exit', done));
fs.rmSync(scratch, {recursive: true, force: true});
server.close();
process.exit(faults ? 1 : 0);
