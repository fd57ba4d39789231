// The limit that serving.py shows beside us: a server in C++ that answers every unary call with one file's bytes.
//
//   echo PORT REPLY
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

static grpc::ByteBuffer answer;

struct Answering : grpc::ServerGenericBidiReactor {
  grpc::ByteBuffer request;
  Answering() { StartRead(&request); }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWriteAndFinish(&answer, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }
};

struct Echo : grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override { return new Answering; }
};

int main(int count, char** arguments) {
  if (count != 3) return 2;
  std::ifstream file(arguments[2], std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  grpc::Slice slice(bytes);
  answer = grpc::ByteBuffer(&slice, 1);
  Echo echo;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + arguments[1], grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&echo);
  auto server = builder.BuildAndStart();
  if (!server) return 3;
  server->Wait();
}
