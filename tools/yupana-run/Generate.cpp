// SPDX-License-Identifier: Apache-2.0
//
// Running sequences and telling what comes of them: text as it comes, JSON at the end, logits in a file. Text is
// decoded token by token, since one token may end in the middle of a character; the file of logits has its name only
// when it is complete. Interrupts end what runs and keep what there is.

#include "tools/yupana-run/Generate.h"

#include "compiler/Support/SameFile.h"
#include "runtime/text/chat.h"
#include "tools/support/Process.h"
#include "tools/support/ProgressBar.h"
#include "tools/support/Targets.h"
#include "tools/yupana-run/Inputs.h"
#include "tools/yupana-run/Interrupts.h"
#include "tools/yupana-run/Json.h"
#include "tools/yupana-run/NpyWriter.h"
#include "tools/yupana-run/Sampling.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <unistd.h>

using namespace yupana;

namespace {

double now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// What is told while a plan is loaded, and when.
struct Loading {
  ProgressBar bar{"loading"};
  uint64_t begin = 0, end = 0; ///< Of the weights, by the clock of a trace; 0 while there was nothing.
};

/// Passes the progress of loading on to a bar, and Ctrl-C to the library. One thread at a time calls it.
int reportLoading(void *user, uint64_t done, uint64_t total) {
  auto *loading = static_cast<Loading *>(user);
  loading->bar.update(done, total);
  loading->end = Trace::now();
  if (!loading->begin)
    loading->begin = loading->end;
  return wasInterrupted();
}

/// What the program keeps of one sequence.
struct Sequence {
  uint64_t firstRow; ///< Of its logits, in the file.
  text::StreamDecoder decoder;
  std::string text;
  size_t printed = 0;
  bool stopped = false;
  double promptEnd = 0; ///< When the first new token was there.
  double end = 0;
};

/// Tells what a generator does.
class Teller final : public text::Observer {
public:
  Teller(const Session &session, const Options &options, const std::vector<text::Request> &requests)
      : tokenizer(session.tokenizer()), streams(!options.json), requests(requests) {
    model.size = sizeof model;
    yupana_plan_model(session.plan(), &model);
    // A decoder needs one, also where ids are written as numbers and it is never asked.
    static const text::Tokenizer none;
    uint64_t rows = 0;
    for (const text::Request &request : requests) {
      sequences.push_back({rows, text::StreamDecoder(tokenizer ? *tokenizer : none, /*show_special=*/false), {}});
      rows += request.prompt.size();
    }
    logitRows = rows;
  }

  /// Logits go to `path`, which is created now.
  int openLogits(const std::string &path) {
    int code = logits.open(path, logitRows, model.vocab_size);
    return code ? report(code, logits.error()) : exitDone;
  }
  int commitLogits() {
    int code = logits.commit();
    return code ? report(code, logits.error()) : exitDone;
  }
  /// Why on_logits gave up; exitDone if it has not.
  int logitsResult() const { return logitsCode ? report(logitsCode, logits.error()) : exitDone; }

  void start() { startTime = now(); }
  void printJson(const std::vector<text::Reply> &replies, double loadSeconds) const;

  void on_token(size_t request, uint32_t id) override;
  void on_stop(size_t request, text::Stop stop) override;
  bool on_logits(size_t request, uint32_t first, uint32_t count, const float *data) override {
    logitsCode = logits.writeRows(sequences[request].firstRow + first, count, data);
    return logitsCode == exitDone;
  }
  bool interrupted() override { return wasInterrupted() || isOutputLost(); }

private:
  bool isStopToken(size_t request, uint32_t id) const {
    return id == requests[request].stop_token ||
           std::find(model.stop_tokens, model.stop_tokens + model.stop_token_count, id) !=
               model.stop_tokens + model.stop_token_count;
  }
  void stream();
  void appendJson(std::string &out, size_t index, const text::Reply &reply, double loadSeconds) const;

  const text::Tokenizer *tokenizer;
  bool streams;
  const std::vector<text::Request> &requests;
  yupana_model_info_t model;
  std::vector<Sequence> sequences;
  size_t current = 0; ///< The sequence whose text is being written.
  uint64_t logitRows = 0;
  NpyWriter logits;
  int logitsCode = exitDone;
  double startTime = 0;
};

void Teller::on_token(size_t request, uint32_t id) {
  Sequence &sequence = sequences[request];
  if (sequence.promptEnd == 0)
    sequence.promptEnd = now();
  if (!tokenizer)
    sequence.text += std::to_string(id) + " ";
  else if (!isStopToken(request, id))
    sequence.decoder.push(id, &sequence.text);
  stream();
}

void Teller::on_stop(size_t request, text::Stop) {
  Sequence &sequence = sequences[request];
  sequence.decoder.finish(&sequence.text);
  sequence.stopped = true;
  sequence.end = now();
  if (sequence.promptEnd == 0)
    sequence.promptEnd = sequence.end;
  stream();
}

/// Writes what is new. Texts stand one after the other: those further back wait until the ones before them are
/// complete.
void Teller::stream() {
  if (!streams)
    return;
  for (; current < sequences.size(); ++current) {
    Sequence &sequence = sequences[current];
    writeReply(std::string_view(sequence.text).substr(sequence.printed));
    sequence.printed = sequence.text.size();
    if (!sequence.stopped)
      break;
    if (requests[current].max_new_tokens)
      writeOutput("\n");
  }
  writeOutputNow("");
}

void appendSeconds(std::string &out, const char *name, double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "\"%s\": %.6f", name, seconds);
  out += text;
}

void Teller::appendJson(std::string &out, size_t index, const text::Reply &reply, double loadSeconds) const {
  const Sequence &sequence = sequences[index];
  out += "{\"prompt_tokens\": ";
  appendJsonIds(out, requests[index].prompt);
  out += ", \"tokens\": ";
  appendJsonIds(out, reply.tokens);
  out += ", \"text\": ";
  if (tokenizer)
    appendJsonString(out, sequence.text);
  else
    out += "null";
  out += ", \"stop\": ";
  appendJsonString(out, reply.stop == text::Stop::eos      ? "eos"
                        : reply.stop == text::Stop::length ? "length"
                                                           : "interrupt");
  out += ", \"timing\": {";
  appendSeconds(out, "load", loadSeconds);
  out += ", ";
  appendSeconds(out, "prompt", sequence.promptEnd - startTime);
  out += ", ";
  appendSeconds(out, "generate", sequence.end - sequence.promptEnd);
  out += "}}";
}

void Teller::printJson(const std::vector<text::Reply> &replies, double loadSeconds) const {
  std::string out;
  for (size_t i = 0; i < replies.size(); ++i) {
    out += i ? ",\n " : replies.size() > 1 ? "[" : "";
    appendJson(out, i, replies[i], loadSeconds);
  }
  out += replies.size() > 1 ? "]\n" : "\n";
  writeOutputNow(out);
}

std::vector<text::Request> makeRequests(const Session &session, std::vector<Prompt> sequences, const Options &options) {
  text::Request request = makeRequest(session, options);
  std::vector<text::Request> requests;
  for (Prompt &sequence : sequences) {
    requests.push_back(request);
    requests.back().prompt = std::move(sequence.ids);
    if (sequence.isChat)
      requests.back().stop_token = text::end_of_turn(*session.tokenizer()).value_or(YUPANA_NO_TOKEN);
  }
  return requests;
}

int runRequests(const Session &session, const Options &options, const std::vector<text::Request> &requests,
                Teller &teller) {
  double loadStart = now();
  yupana_context_t *context = nullptr;
  if (int code = createContext(session, options, context))
    return code;
  teller.start();
  double loadSeconds = now() - loadStart;

  std::vector<text::Reply> replies;
  yupana_status_t status;
  yupana_status_code_t code =
      text::Generator(session.plan(), context, options.stepTokens).run(requests, &teller, &replies, &status);
  yupana_context_release(context);
  if (int logitsCode = teller.logitsResult())
    return logitsCode;
  // What could not be chosen from can still be looked at.
  if (code == YUPANA_STATUS_NOT_FINITE && !options.logits.empty())
    if (int logitsCode = teller.commitLogits())
      return logitsCode;
  if (code != YUPANA_STATUS_OK)
    return report(status);
  if (options.json)
    teller.printJson(replies, loadSeconds);
  // Files of logits that are not complete, or not all that was asked for, are not kept; the end of the program tells.
  if (isOutputLost())
    return exitDone;
  bool interrupted = std::any_of(replies.begin(), replies.end(),
                                 [](const text::Reply &reply) { return reply.stop == text::Stop::interrupt; });
  if (interrupted)
    return exitInterrupted;
  return options.logits.empty() ? exitDone : teller.commitLogits();
}

} // namespace

text::Request yupana::makeRequest(const Session &session, const Options &options) {
  text::Request request;
  request.want_logits = !options.logits.empty();
  request.max_new_tokens = options.maxNewTokens.value_or(request.want_logits ? 0 : 256);
  chooseSampling(session, options, request);
  return request;
}

int yupana::createContext(const Session &session, const Options &options, yupana_context_t *&context) {
  yupana_status_t status;
  uint32_t index = 0;
  if (!options.target.empty() && findTarget(session.plan(), options.target, index, status) != YUPANA_STATUS_OK)
    return report(status);
  if (options.mapWeights)
    explainLostMappings(session.path().c_str());
  auto loading = std::make_unique<Loading>();
  yupana_progress_t progress = {sizeof progress, loading.get(), reportLoading};
  yupana_context_options_t contextOptions = {};
  contextOptions.size = sizeof contextOptions;
  contextOptions.target = options.target.empty() ? nullptr : options.target.c_str();
  contextOptions.threads = options.threads;
  contextOptions.kv_bytes = options.kvMemory;
  contextOptions.map_weights = options.mapWeights;
  contextOptions.progress = &progress;
  yupana_device_t device = options.device.get();
  contextOptions.device = &device;
  uint64_t begin = Trace::now();
  yupana_status_code_t code = yupana_context_create(session.plan(), &contextOptions, nullptr, &context, &status);
  uint64_t loadBegin = loading->begin, loadEnd = loading->end;
  loading.reset(); // clears its line before anything else is written
  if (code != YUPANA_STATUS_OK)
    return report(status);
  Trace &trace = session.trace();
  if (!trace.isOpen())
    return exitDone;
  trace.span("prepare", begin, Trace::now());
  if (loadBegin)
    trace.span("load weights", loadBegin, loadEnd);
  if (int failed = trace.attach(session.plan(), context)) {
    yupana_context_release(context);
    context = nullptr;
    return failed;
  }
  return exitDone;
}

int yupana::runGenerate(Session &session, const Options &options) {
  if (std::optional<std::string> sentence = findOverwrittenInput(options.logits, inputFiles(options)))
    return report(exitUsage, *sentence);
  std::vector<Prompt> sequences;
  if (int code = readInputs(session, options, sequences))
    return code;
  std::vector<text::Request> requests = makeRequests(session, std::move(sequences), options);
  if (!session.tokenizer() && !options.json && requests[0].max_new_tokens)
    note(session.path() + " was compiled without a tokenizer, so token ids are written");
  Teller teller(session, options, requests);
  if (!options.logits.empty())
    if (int code = teller.openLogits(options.logits))
      return code;

  catchInterrupts();
  return runRequests(session, options, requests, teller);
}
