// Load for serving.py: one unary call, again and again, every reply compared with what it must be.
//
//   load ADDRESS METHOD REQUEST REPLY IGNORED CHANNELS OPEN WARM SECONDS RATE
//
// REQUEST and REPLY are files; the last IGNORED bytes of a reply may differ (when it was answered). RATE 0 keeps OPEN
// calls in flight on each channel; otherwise calls begin evenly spaced, RATE a second, whether others have ended or not,
// and latency counts from the instant at which a call was due. A thread of its own begins them: gRPC's queue rounds what it
// waits up to whole milliseconds, and would begin them late. Prints one line of JSON; SECONDS count after WARM.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

static std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Load {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  std::string method, expected;
  grpc::ByteBuffer request;
  size_t ignored = 0;
  bool counts = false, repeats = false;
  std::atomic<long> open{0};
  long failed = 0, wrong = 0;
  std::vector<float> milliseconds;

  bool right(const grpc::ByteBuffer& reply) {
    grpc::Slice slice;
    if (!reply.DumpToSingleSlice(&slice).ok() || slice.size() != expected.size()) return false;
    return std::memcmp(slice.begin(), expected.data(), expected.size() - ignored) == 0;
  }
};

struct Call {
  Load& load;
  size_t channel;
  bool counts = false;  // whatever the load says when it ends
  Clock::time_point due;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer reply;
  grpc::Status status;

  void begin(Clock::time_point at) {
    due = at;
    context = std::make_unique<grpc::ClientContext>();
    reply.Clear();
    reader = load.stubs[channel]->PrepareUnaryCall(context.get(), load.method, load.request, &load.queue);
    load.open++;
    reader->StartCall();
    reader->Finish(&reply, &status, this);
  }

  void end() {
    load.open--;
    if (counts || load.counts) {
      if (!status.ok()) {
        if (load.failed++ == 0) std::fprintf(stderr, "%s\n", status.error_message().c_str());
      } else if (!load.right(reply)) {
        load.wrong++;
      } else {
        load.milliseconds.push_back(std::chrono::duration<float, std::milli>(Clock::now() - due).count());
      }
    }
    if (load.repeats) {
      begin(Clock::now());
    } else {
      delete this;
    }
  }
};

static double quantile(const std::vector<float>& sorted, double share) {
  return sorted.empty() ? -1 : sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * sorted.size()))];
}

int main(int count, char** arguments) {
  if (count != 11) return 2;
  Load load;
  load.method = arguments[2];
  std::string bytes = contents(arguments[3]);
  grpc::Slice slice(bytes);
  load.request = grpc::ByteBuffer(&slice, 1);
  load.expected = contents(arguments[4]);
  load.ignored = std::atoi(arguments[5]);
  const int channels = std::atoi(arguments[6]), open = std::atoi(arguments[7]);
  const double warm = std::atof(arguments[8]), seconds = std::atof(arguments[9]), rate = std::atof(arguments[10]);
  for (int number = 0; number < channels; number++) {
    grpc::ChannelArguments options;
    options.SetInt("grpc.use_local_subchannel_pool", 1);
    options.SetMaxReceiveMessageSize(-1);
    auto channel = grpc::CreateCustomChannel(arguments[1], grpc::InsecureChannelCredentials(), options);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) return 3;
    load.stubs.push_back(std::make_unique<grpc::GenericStub>(channel));
  }
  const auto begun = Clock::now();
  const auto after = [&](double passed) {
    return begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(passed));
  };
  load.repeats = rate == 0;
  for (int number = 0; load.repeats && number < channels * open; number++)
    (new Call{load, static_cast<size_t>(number % channels)})->begin(Clock::now());
  std::atomic<bool> paced{rate == 0};
  std::thread pacer([&] {
    for (long sent = 0; rate != 0 && sent / rate < warm + seconds; sent++) {
      std::this_thread::sleep_until(after(sent / rate));
      // Calls that were due in time count, however late they end.
      (new Call{load, static_cast<size_t>(sent % channels), sent / rate >= warm})->begin(after(sent / rate));
    }
    paced = true;
  });
  while (true) {
    const auto now = Clock::now();
    if (rate == 0) {
      load.repeats = now < after(warm + seconds);
      load.counts = load.repeats && now >= after(warm);
    }
    if (paced && !load.repeats && load.open == 0) break;
    void* tag;
    bool ok;
    const auto wait = std::chrono::system_clock::now() + std::chrono::milliseconds(5);
    if (load.queue.AsyncNext(&tag, &ok, wait) == grpc::CompletionQueue::GOT_EVENT) static_cast<Call*>(tag)->end();
  }
  pacer.join();
  std::sort(load.milliseconds.begin(), load.milliseconds.end());
  std::printf("{\"calls\": %zu, \"failed\": %ld, \"wrong\": %ld, \"p50_ms\": %.4f, \"p95_ms\": %.4f, \"p99_ms\": %.4f}\n",
              load.milliseconds.size(), load.failed, load.wrong, quantile(load.milliseconds, .5),
              quantile(load.milliseconds, .95), quantile(load.milliseconds, .99));
  return 0;
}
