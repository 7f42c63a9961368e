// The design's ports behind the interface that the harness uses. Compiled with each design;
// MARGIN_BITS, EVENTS, FAULTS and LOADED say what its ports are.

#include "Dut.h"
#include "core.h"

namespace {

class Compiled : public Core {
  public:
    explicit Compiled(int seed) {
        context_.randReset(2);
        context_.randSeed(seed);
        dut_ = std::make_unique<Dut>(&context_);
    }
    ~Compiled() override { dut_->final(); }

    bool takes_events() const override { return EVENTS; }
    void set_reset(bool reset) override { dut_->rst = reset; }
    void set_clock(bool level) override {
        dut_->clk = level;
        dut_->eval();
    }
    void set_ready(bool ready) override { dut_->result_ready = ready; }

    void offer(bool valid, uint32_t item) override {
#if EVENTS
        dut_->event_valid = valid;
        dut_->event_unit = item & 0xfffff;
        dut_->event_step = item >> 20 & 0xff;
        dut_->event_end = item >> 28 & 1;
#else
        dut_->pixel_valid = valid;
        dut_->pixel_data = item;
#endif
    }

    bool takes_item() const override {
#if EVENTS
        return dut_->event_ready;
#else
        return dut_->pixel_ready;
#endif
    }

    Result result() const override {
        const uint64_t sign = uint64_t{1} << (MARGIN_BITS - 1);
        const auto margin = static_cast<int64_t>((dut_->result_margin ^ sign) - sign);
#if FAULTS
        const bool fault = dut_->result_fault;
#else
        const bool fault = false;
#endif
        return {dut_->result_valid != 0, fault, margin, dut_->result_label, dut_->result_step};
    }

    void load(bool valid, uint32_t address, uint16_t word) override {
#if LOADED
        dut_->load_valid = valid;
        dut_->load_address = address;
        dut_->load_data = word;
#endif
    }

  private:
    VerilatedContext context_;
    std::unique_ptr<Dut> dut_;
};

}  // namespace

std::unique_ptr<Core> make_core(int seed) { return std::make_unique<Compiled>(seed); }
