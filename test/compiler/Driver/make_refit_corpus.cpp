// SPDX-License-Identifier: Apache-2.0
//
// make_refit_corpus FOLDER: writes the seeds of refit_fuzz to FOLDER/seeds and makes an empty FOLDER/found for what the
// fuzzer adds. A seed is a model as small as the configuration allows, compiled without weights, and a checkpoint that
// fits: of the plan's own arrangement, of another, and of a model known by its configuration alone.

#include "compiler/Driver/Driver.h"
#include "frontends/Llama4/Checkpoint.h"
#include "test/compiler/Driver/RefitInput.h"

using namespace yupana;
using namespace yupana::test;

namespace {

/// One dense layer and one of two experts.
std::string configuration(const std::string &type, bool tied) {
  return fmt::format(
      R"({{"architectures": ["Llama4ForCausalLM"], "model_type": "llama4_text", "vocab_size": 48, "hidden_size": 32,
 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "intermediate_size": 16,
 "intermediate_size_mlp": 48, "num_local_experts": 2, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2,
 "use_qk_norm": true, "attention_chunk_size": 32, "max_position_embeddings": 64, "rope_theta": 10000.0,
 "rms_norm_eps": 1e-05, "hidden_act": "silu", "tie_word_embeddings": {}, "torch_dtype": "{}"}})",
      tied, type);
}

/// The header of a checkpoint whose tensors follow one another, and how many bytes they have.
void declareTensors(const llama4::ModelConfig &config, const std::set<std::string, std::less<>> &names,
                    RefitInput &input) {
  auto tensors = llama4::declareTextTensors(config, names);
  uint64_t at = 0;
  for (const TensorInfo &info : *tensors->declared) {
    std::string shape = shapeString(info.shape);
    input.header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", at ? "," : "{",
                                info.name, storedTypeName(info.type), shape, at, at + info.bytes);
    at += info.bytes;
  }
  input.header += "}";
  input.dataBytes = static_cast<uint32_t>(at);
}

class CorpusMaker {
public:
  explicit CorpusMaker(const std::filesystem::path &folder) : folder(folder) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder / "found");
    std::filesystem::create_directories(folder / "seeds");
  }

  /// Compiles without weights the model that `input` describes, with its tensors at hand or without.
  Result<void> compileInto(RefitInput &input, bool withTensors) {
    CompileOptions options;
    options.checkpoint = folder / "compiled";
    options.output = folder / "compiled.yplan";
    options.targets = {"x86-64-v3"};
    options.stripWeights = true;
    std::filesystem::remove_all(options.checkpoint);
    input.writeModel(options.checkpoint, withTensors);
    YUPANA_RETURN_IF_ERROR(compile(options));
    YUPANA_ASSIGN_OR_RETURN(input.sections, readSections(options.output));
    return {};
  }

  /// A seed that cannot be refitted would keep the fuzzer from all that comes after.
  Result<void> save(const std::string &name, const RefitInput &input) {
    YUPANA_ASSIGN_OR_RETURN(RefitOptions options, input.place(folder));
    YUPANA_RETURN_IF_ERROR(refit(options));
    std::vector<uint8_t> bytes = input.write();
    std::ofstream(folder / "seeds" / name, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return {};
  }

private:
  std::filesystem::path folder;
};

Result<void> makeCorpus(CorpusMaker maker) {
  RefitInput own;
  own.sameDigests = true;
  own.config = configuration("bfloat16", false);
  YUPANA_ASSIGN_OR_RETURN(llama4::ModelConfig config, llama4::parseConfig(own.config, "config.json"));
  declareTensors(config, {}, own);
  YUPANA_RETURN_IF_ERROR(maker.compileInto(own, /*withTensors=*/true));
  YUPANA_RETURN_IF_ERROR(maker.save("own", own));

  RefitInput each = own;
  each.header.clear();
  declareTensors(config, {"model.embed_tokens.weight", "model.layers.1.feed_forward.experts.0.gate_proj.weight"}, each);
  YUPANA_RETURN_IF_ERROR(maker.save("expert-by-expert", each));

  RefitInput tied;
  tied.config = configuration("float32", true);
  YUPANA_ASSIGN_OR_RETURN(llama4::ModelConfig tiedConfig, llama4::parseConfig(tied.config, "config.json"));
  declareTensors(tiedConfig, {}, tied);
  YUPANA_RETURN_IF_ERROR(maker.compileInto(tied, /*withTensors=*/false));
  return maker.save("tied", tied);
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  if (auto made = makeCorpus(CorpusMaker(argv[1])); !made) {
    fmt::print(stderr, "{}\n", made.error().message);
    return 1;
  }
  return 0;
}
