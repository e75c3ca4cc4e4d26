// The page and its worker. The page shows, and decodes pictures and sounds; the worker computes, so that the page stays
// alive. Messages to the worker: {text, media} asks, {stop: true}, {reset: true}; from it: {loaded}, {ready: true},
// {piece}, {turn}, {error}.
'use strict';
if (typeof document === 'undefined') work(); else show();

// ---- the worker

async function work() {
    importScripts('carat.js');
    const wasm = await carat();
    const call = (name, ...values) => wasm.ccall(name, 'string', values.map((v) => typeof v), values);
    // Lends an array's bytes to f, in the module's memory.
    const lend = (array, f) => {
        const at = wasm._malloc(array.byteLength);
        if (at === 0) return `there is no memory for ${array.byteLength} bytes`;
        wasm.HEAPU8.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
        const result = f(at);
        wasm._free(at);
        return result;
    };

    // Lets messages in. A timeout would sleep for milliseconds.
    const {port1, port2} = new MessageChannel();
    const listen = () => new Promise((heard) => {
        port1.onmessage = heard;
        port2.postMessage(null);
    });
    let stopped = false;
    async function answer({text, media}) {
        for (const m of media) {
            const error = m.samples
                ? lend(m.samples, (at) => call('web_hear', at, m.samples.length))
                : lend(m.rgba, (at) => call('web_see', at, m.width, m.height));
            if (error) {
                call('web_drop');
                return postMessage({error: `${m.name}: ${error}`});
            }
        }
        call('web_ask', text);
        stopped = false;
        for (let piece; !stopped && (piece = call('web_next'));) {
            postMessage({piece});
            await listen();
        }
        const turn = JSON.parse(call('web_end'));
        postMessage(turn.error ? turn : {turn});
    }
    onmessage = ({data}) => {
        if (data.stop) stopped = true;
        else if (data.reset) call('web_reset');
        else answer(data);
    };

    try {
        const read = async (name) => {
            const response = await fetch(name, {cache: 'force-cache'});
            if (!response.ok) throw Error(`${name}: the server says ${response.status}`);
            return response;
        };
        const texts = await Promise.all(
            ['tokenizer.json', 'processor_config.json', 'generation_config.json', 'chat_template.jinja']
                .map(async (name) => (await read(name)).text()));
        const response = await read('model.safetensors'), chunks = [];
        const total = Number(response.headers.get('content-length'));
        let size = 0;
        for (const reader = response.body.getReader();;) {
            const {done, value} = await reader.read();
            if (done) break;
            chunks.push(value);
            size += value.length;
            postMessage({loaded: total ? size / total : undefined});
        }
        let at = wasm._malloc(size);  // for good
        const weights = at;
        for (const chunk of chunks) {
            wasm.HEAPU8.set(chunk, at);
            at += chunk.length;
        }
        const error = call('web_open', weights, size, ...texts);
        if (error) throw Error(error);
        postMessage({ready: true});
    } catch (error) {
        postMessage({error: error.message});
    }
}

// ---- the page

function show() {
    const at = (id) => document.getElementById(id);
    const worker = new Worker('web.js');
    let ready = false, bubble = null, recorder = null;
    let media = [];  // of the next question: {name, element, …}

    function add(element, kind, text) {
        element.className = kind;
        if (text !== undefined) element.textContent = text;
        at('talk').append(element);
        at('talk').scrollTop = at('talk').scrollHeight;
        return element;
    }
    const complain = (text) => add(document.createElement('div'), 'error', text);
    function refresh() {
        at('send').textContent = bubble ? '■' : '↑';
        at('send').title = bubble ? 'Stop' : 'Send';
        at('send').disabled = !ready || !(bubble || at('text').value.trim() || media.length);
        at('shown').replaceChildren(...media.map((m) => {
            const span = document.createElement('span'), away = document.createElement('button');
            away.textContent = '×';
            away.title = `Take ${m.name} away`;
            away.onclick = () => {
                media = media.filter((other) => other !== m);
                refresh();
            };
            span.append(m.element, away);
            return span;
        }));
    }

    function ask() {
        const text = at('text').value.trim();
        if (!ready || bubble || !(text || media.length)) return;
        at('start').hidden = true;
        const mine = add(document.createElement('div'), 'mine');
        mine.append(...media.map((m) => m.element), text);
        bubble = add(document.createElement('div'), 'pocket busy');
        worker.postMessage({text, media: media.map(({element, ...m}) => m)});
        media = [];
        at('text').value = '';
        refresh();
    }

    worker.onmessage = ({data}) => {
        if ('loaded' in data) return at('progress').value = data.loaded;
        if (data.piece) {
            bubble.append(data.piece);
            return at('talk').scrollTop = at('talk').scrollHeight;
        }
        if (data.ready) {
            ready = true;
            at('hint').textContent = 'Nothing you say leaves this page.';
            at('progress').hidden = true;
            at('ideas').hidden = false;
        }
        if (data.turn) {
            const n = data.turn.token_ids.length, seconds = data.turn.write_ms / 1000;
            bubble.dataset.ids = JSON.stringify(data.turn.token_ids);
            bubble.dataset.rate = n / seconds;
            const note = document.createElement('small');
            note.textContent = `${n} tokens, ${Math.round(n / seconds)} a second`;
            bubble.append(note);
            bubble.classList.remove('busy');
            bubble = null;
        }
        if (data.error) {
            bubble?.remove();
            bubble = null;
            complain(data.error);
        }
        refresh();
    };
    worker.onerror = (event) => {
        ready = false;
        bubble?.remove();
        bubble = null;
        complain(`${event.message}; reload the page to go on`);
        refresh();
    };

    // ---- pictures and sounds, as the model takes them

    async function picture(file) {
        const bitmap = await createImageBitmap(file, {colorSpaceConversion: 'none'})
            .catch(() => { throw Error('the browser cannot decode this picture'); });
        const {width, height} = bitmap;
        if (width * height > 2 ** 25)
            throw Error(`${width} by ${height} pixels, expected at most ${2 ** 25} in all`);
        const canvas = Object.assign(document.createElement('canvas'), {width, height});
        const context = canvas.getContext('2d');
        context.drawImage(bitmap, 0, 0);
        const element = Object.assign(new Image(), {src: URL.createObjectURL(file), alt: file.name});
        return {element, rgba: context.getImageData(0, 0, width, height).data, width, height};
    }
    async function sound(file) {
        const decoder = new OfflineAudioContext(1, 1, 16000);  // decodes to its own rate
        const decoded = await file.arrayBuffer().then((bytes) => decoder.decodeAudioData(bytes))
            .catch(() => { throw Error('the browser cannot decode this sound'); });
        const samples = new Float32Array(decoded.length);
        for (let c = 0; c < decoded.numberOfChannels; ++c)
            decoded.getChannelData(c).forEach((x, i) => { samples[i] += x / decoded.numberOfChannels; });
        const element = Object.assign(new Audio(URL.createObjectURL(file)), {controls: true});
        return {element, samples};
    }
    async function attach(file) {
        try {
            const medium = await (file.type.startsWith('audio/') ? sound(file) : picture(file));
            media.push({name: file.name, ...medium});
        } catch (error) {
            complain(`${file.name}: ${error.message}`);
        }
        refresh();
    }
    async function record() {
        if (recorder) return recorder.stop();
        try {
            const stream = await navigator.mediaDevices.getUserMedia({audio: true});
            const chunks = [];
            recorder = new MediaRecorder(stream);
            recorder.ondataavailable = ({data}) => chunks.push(data);
            recorder.onstop = () => {
                stream.getTracks().forEach((track) => track.stop());
                recorder = null;
                at('microphone').classList.remove('on');
                attach(new File(chunks, 'recording', {type: 'audio/webm'}));
            };
            recorder.start();
            at('microphone').classList.add('on');
        } catch (error) {
            complain(`microphone: ${error.message}`);
        }
    }

    // ---- what a person does

    at('text').oninput = refresh;
    at('form').onsubmit = (event) => {
        event.preventDefault();
        if (bubble) worker.postMessage({stop: true}); else ask();
    };
    at('file').onchange = async ({target}) => {
        const files = [...target.files];
        target.value = '';  // so that the same can be chosen again
        for (const file of files) await attach(file);
    };
    at('microphone').onclick = record;
    at('again').onclick = () => {
        if (bubble) return;
        worker.postMessage({reset: true});
        at('talk').replaceChildren(at('start'));
        at('start').hidden = false;
        media = [];
        refresh();
    };
    at('ideas').onclick = async ({target}) => {
        if (target.tagName !== 'BUTTON') return;
        const name = target.dataset.file;
        if (name) await attach(new File([await (await fetch(name)).blob()], name,
            {type: name.endsWith('.wav') ? 'audio/wav' : 'image/png'}));
        at('text').value = target.textContent;
        ask();
    };
    document.ondragover = (event) => {
        event.preventDefault();
        document.body.classList.add('over');
    };
    document.ondragleave = () => document.body.classList.remove('over');
    document.ondrop = async (event) => {
        event.preventDefault();
        document.body.classList.remove('over');
        for (const file of [...event.dataTransfer.files]) await attach(file);
    };
}
