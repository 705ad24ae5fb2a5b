'use strict';
// A Telegram Bot API on 127.0.0.1 for tests. Storage and the user's side (/sendMessage, /sendCallback) come from
// telegram-test-api; the bot's side is answered here, because clients that check what they get (python-telegram-bot)
// need every field that Telegram sends, and because the tests need Telegram's refusals.
//
//   node server.js [PORT]                 prints "listening PORT" and ends when its stdin is closed
//   POST /_bot     {token, username}      a bot that exists; calls with any other token are answered 401
//   POST /_update  {token, update}        an update of any kind, without its update_id
//   POST /_fail    {token, method, code, description, parameters, close, hang, done}   the next call of that method fails
//                                         so; close: the connection is cut instead; hang: there is no answer; done:
//                                         after the call was carried out
//   POST /_upset   {token, count}         the next so many updates come to the webhook at once, last first, each twice
//   GET  /_calls?token=                   every call of the bot: [{method, body, at}]
//   GET  /_shown?token=&chat=             what a user saw happen: [{message_id, text, buttons, edited, …}], oldest first

const express = require('express');
const {TelegramServer} = require('telegram-test-api/lib/telegramServer');

const LIMIT = 4096; // UTF-16 units of a message, counted after its entities are parsed
const DATA_LIMIT = 64; // bytes of callback data
const KINDS = ['message', 'edited_message', 'callback_query', 'my_chat_member'];
const bots = new Map();

const now = () => Math.floor(Date.now() / 1000);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const parsed = (value) => (typeof value === 'string' && value ? JSON.parse(value) : value);

class Refusal extends Error {
  constructor(code, description, parameters) {
    super(description);
    Object.assign(this, {code, parameters});
  }
}

class Server extends TelegramServer {
  async addUserUpdate(stored) {
    const bot = bots.get(stored.botToken);
    if (!bot) throw new Error('no such bot; POST /_bot first');
    this.updateId += 1;
    give(bot, {update_id: stored.updateId, ...shaped(stored, bot)});
  }
}

// What telegram-test-api stores of a user's doing, with the fields that Telegram always sends.
function shaped(stored, bot) {
  if (stored.callbackQuery) {
    const {from, data, message} = stored.callbackQuery;
    return {callback_query: {
      id: String(stored.callbackId), from, data, chat_instance: '1', message: {date: now(), from: bot.me, ...message},
    }};
  }
  const {botToken, ...message} = stored.message;
  return {message: {...message, message_id: stored.messageId, date: now()}};
}

function give(bot, update) {
  const kind = Object.keys(update).find((key) => key !== 'update_id');
  if (!bot.allowed.includes(kind)) return;
  bot.waiting.push(update);
  if (bot.webhook) queue(bot, update, kind);
}

function queue(bot, update, kind) {
  if (bot.upset) {
    bot.held.push(update);
    bot.upset -= 1;
    if (!bot.upset) for (const one of bot.held.splice(0).reverse()) [one, one].forEach((again) => deliver(bot, again));
    return;
  }
  const {message} = update[kind];
  const chat = String((message || update[kind]).chat.id);
  bot.queues[chat] = (bot.queues[chat] || Promise.resolve()).then(() => deliver(bot, update));
}

// One update of a chat at a time, tried again when the webhook does not take it, as Telegram does.
async function deliver(bot, update) {
  for (let tried = 0; tried < 4 && bot.webhook; tried += 1) {
    const {url, secret_token: secret} = bot.webhook;
    try {
      const headers = {'Content-Type': 'application/json'};
      if (secret) headers['X-Telegram-Bot-Api-Secret-Token'] = secret;
      const answer = await fetch(url, {method: 'POST', headers, body: JSON.stringify(update)});
      if (answer.ok) {
        bot.waiting = bot.waiting.filter((other) => other !== update);
        return;
      }
      bot.webhookError = `Wrong response from the webhook: ${answer.status}`;
    } catch (error) {
      bot.webhookError = error.message;
    }
    await sleep(200);
  }
}

// Telegram's HTML: known tags, closed in order; < > & only as entities. Gives the text as it is shown.
function shownText({text, parse_mode: mode}) {
  if (mode !== 'HTML') return text;
  const wrong = (why) => new Refusal(400, `Bad Request: can't parse entities: ${why}`);
  const open = [];
  const rest = text.replace(/<(\/?)([a-z]+)>/g, (_, closing, tag) => {
    if (!['b', 'i', 'u', 's', 'code', 'pre'].includes(tag)) throw wrong(`Unsupported start tag "${tag}"`);
    if (!closing) open.push(tag);
    else if (open.pop() !== tag) throw wrong('Unmatched end tag');
    return '';
  });
  if (open.length) throw wrong(`Can't find end tag corresponding to start tag "${open.pop()}"`);
  if (/[<>]/.test(rest)) throw wrong('Unsupported start tag');
  return rest.replace(/&(lt|gt|amp|quot);/g, (_, name) => ({lt: '<', gt: '>', amp: '&', quot: '"'}[name]));
}

function checked(body) {
  const text = shownText(body);
  if (!text || !text.trim()) throw new Refusal(400, 'Bad Request: message text is empty');
  if (text.length > LIMIT) throw new Refusal(400, 'Bad Request: message is too long');
  const markup = parsed(body.reply_markup);
  const rows = (markup && markup.inline_keyboard) || [];
  for (const button of rows.flat()) {
    if (!button.text) throw new Refusal(400, 'Bad Request: text buttons are unallowed in the inline keyboard');
    const bytes = Buffer.byteLength(button.callback_data || '');
    if (bytes < 1 || bytes > DATA_LIMIT) throw new Refusal(400, 'Bad Request: BUTTON_DATA_INVALID');
  }
  return {text, rows};
}

function show(bot, body, id, {text, rows}, edited) {
  bot.shown.push({
    chat: String(body.chat_id), message_id: id, text: body.text, shown: text, buttons: rows, edited,
    thread: body.message_thread_id || null, reply: parsed(body.reply_parameters) || null,
  });
  const chat = {id: Number(body.chat_id), type: Number(body.chat_id) < 0 ? 'supergroup' : 'private', title: 'Chat'};
  return {message_id: id, from: bot.me, date: now(), chat, text, ...(rows.length ? {reply_markup: {inline_keyboard: rows}} : {})};
}

const methods = {
  getMe: (bot) => bot.me,
  sendMessage(bot, body, server) {
    const good = checked(body);
    return show(bot, body, server.addBotMessage(body, bot.token).message_id, good, false);
  },
  editMessageText(bot, body, server) {
    const good = checked(body);
    const id = Number(body.message_id);
    const stored = server.storage.botMessages.find((other) => other.botToken === bot.token && other.messageId === id
      && String(other.message.chat_id) === String(body.chat_id));
    if (!stored) throw new Refusal(400, 'Bad Request: message to edit not found');
    const same = (one, other) => one.text === other.text && JSON.stringify(parsed(one.reply_markup)) === JSON.stringify(parsed(other.reply_markup));
    if (same(stored.message, body)) {
      throw new Refusal(400, 'Bad Request: message is not modified: specified new message content and reply markup are '
        + 'exactly the same as a current content and reply markup of the message');
    }
    server.editMessageText({reply_markup: undefined, ...body});
    return show(bot, body, id, good, true);
  },
  // Updates stay until a later call with a higher offset confirms them.
  async getUpdates(bot, body, server, request) {
    if (bot.webhook) throw new Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first");
    if (body.allowed_updates) bot.allowed = parsed(body.allowed_updates);
    bot.waiting = bot.waiting.filter((update) => update.update_id >= Number(body.offset || 0));
    const end = Date.now() + Number(body.timeout || 0) * 1000;
    while (!bot.waiting.length && Date.now() < end && !request.socket.destroyed) await sleep(20);
    return bot.waiting.slice(0, Number(body.limit || 100));
  },
  setWebhook(bot, body) {
    if (body.secret_token && !/^[\w-]{1,256}$/.test(body.secret_token)) throw new Refusal(400, 'Bad Request: secret token contains unallowed characters');
    if (body.allowed_updates) bot.allowed = parsed(body.allowed_updates);
    bot.webhook = body.url ? {...body} : null;
    for (const update of bot.webhook ? bot.waiting : []) deliver(bot, update);
    return true;
  },
  deleteWebhook(bot) { bot.webhook = null; return true; },
  getWebhookInfo: (bot) => ({
    url: bot.webhook ? bot.webhook.url : '', has_custom_certificate: false, pending_update_count: bot.waiting.length,
    ...(bot.webhookError ? {last_error_message: bot.webhookError, last_error_date: now()} : {}),
  }),
};
for (const name of ['answerCallbackQuery', 'sendChatAction', 'setMyCommands', 'deleteMyCommands', 'setMyDescription',
  'setMyShortDescription', 'setMyName', 'setChatMenuButton', 'logOut', 'close']) methods[name] = () => true;
methods.getMyCommands = () => [];
methods.getMyDescription = () => ({description: ''});
methods.getMyShortDescription = () => ({short_description: ''});

const server = new Server({host: '127.0.0.1', storeTimeout: 3600});
server.config.port = Number(process.argv[2] || 0);
const app = express();
app.use(express.json({limit: '2mb'}), express.urlencoded({extended: true, limit: '2mb'}));

app.post('/_bot', (request, response) => {
  const {token, username} = request.body;
  const me = {id: Number(token.split(':')[0]), is_bot: true, first_name: 'Bot', username, can_join_groups: true,
    can_read_all_group_messages: false, supports_inline_queries: false};
  bots.set(token, {token, me, allowed: KINDS, waiting: [], queues: {}, webhook: null, upset: 0, held: [],
    failures: [], calls: [], shown: []});
  response.json({ok: true});
});
app.post('/_update', (request, response) => {
  server.updateId += 1;
  give(bots.get(request.body.token), {update_id: server.updateId - 1, ...request.body.update});
  response.json({ok: true, update_id: server.updateId - 1});
});
app.post('/_fail', (request, response) => {
  bots.get(request.body.token).failures.push(request.body);
  response.json({ok: true});
});
app.post('/_upset', (request, response) => {
  bots.get(request.body.token).upset = request.body.count;
  response.json({ok: true});
});
app.get('/_calls', (request, response) => response.json(bots.get(request.query.token).calls));
app.get('/_shown', (request, response) => response.json(
  bots.get(request.query.token).shown.filter((one) => one.chat === request.query.chat),
));

app.all('/bot:token/:method', async (request, response, next) => {
  const {token, method} = request.params;
  const refuse = (code, description, parameters) => response.status(code)
    .json({ok: false, error_code: code, description, ...(parameters ? {parameters} : {})});
  const bot = bots.get(token);
  if (!bot) return refuse(401, 'Unauthorized');
  const body = {...request.query, ...request.body};
  bot.calls.push({method, body, at: Date.now()});
  const at = bot.failures.findIndex((failure) => failure.method === method);
  const [failure] = at < 0 ? [] : bot.failures.splice(at, 1);
  try {
    if (failure && !failure.done) throw failure.close || failure.hang ? failure : new Refusal(failure.code, failure.description, failure.parameters);
    if (!Object.hasOwn(methods, method)) return next();
    const result = await methods[method](bot, body, server, request);
    if (failure) throw failure.close || failure.hang ? failure : new Refusal(failure.code, failure.description, failure.parameters);
    return response.json({ok: true, result});
  } catch (error) {
    if (error.hang) return undefined;
    if (error.close) return request.socket.destroy();
    if (error instanceof Refusal) return refuse(error.code, error.message, error.parameters);
    return refuse(500, `Internal Server Error: ${error.message}`);
  }
});
app.use(server.webServer);
server.webServer = app;

process.on('unhandledRejection', (error) => console.error(error));
process.stdin.on('end', () => process.exit(0)).resume();
server.start().then(() => console.log(`listening ${server.server.address().port}`));
