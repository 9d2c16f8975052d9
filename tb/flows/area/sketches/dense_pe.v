// SPDX-License-Identifier: Apache-2.0
// Processing element of a dense array: one product a cycle, added up. Operand registers, which an array needs to pass
// values on, are left out.
`default_nettype none

module dense_pe (
    input  wire clk_i,
    input  wire clear_i,  // the sum begins anew
    input  wire valid_i,  // a pair is there

    input  wire signed [7:0] activation_i,
    input  wire signed [7:0] weight_i,
    output wire signed [31:0] sum_o
);

    reg signed [31:0] sum_q;

    wire signed [15:0] product = activation_i * weight_i;
    wire signed [31:0] extended = {{16{product[15]}}, product};

    always @(posedge clk_i) begin
        if (clear_i) sum_q <= 32'sd0;
        else if (valid_i) sum_q <= sum_q + extended;
    end

    assign sum_o = sum_q;

endmodule

`default_nettype wire
