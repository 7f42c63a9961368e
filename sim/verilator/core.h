// A compiled core as the harness sees it. core.cpp gives every design this form, so that the harness
// is compiled once for all.

#ifndef FIRSTSPIKE_CORE_H_
#define FIRSTSPIKE_CORE_H_

#include <cstdint>
#include <memory>

struct Result {
    bool valid, fault;
    int64_t margin;
    uint32_t label, step;
};

class Core {
  public:
    virtual ~Core() = default;
    virtual bool takes_events() const = 0;  // else pixels
    virtual void set_reset(bool reset) = 0;
    virtual void set_clock(bool level) = 0;  // and computes what follows
    virtual void offer(bool valid, uint32_t item) = 0;
    virtual bool takes_item() const = 0;
    virtual void set_ready(bool ready) = 0;
    virtual Result result() const = 0;
    virtual void load(bool valid, uint32_t address, uint16_t word) = 0;
};

// The core after power-up: what is not reset holds random values.
std::unique_ptr<Core> make_core(int seed);

#endif
